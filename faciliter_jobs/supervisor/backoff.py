"""When a child that died is started again, and when to stop trying."""

from __future__ import annotations

from dataclasses import dataclass

from .. import retry

_FIRST_DELAY = 0.2  # seconds
_LONGEST_DELAY = 30.0
RAN_WELL = 10.0  # seconds of work after which a death is taken for the first one again
TRIES = 3  # to load the target, in a row, before the supervisor gives up


@dataclass
class Backoff:
    """The deaths of one slot's children in a row."""

    deaths: int = 0

    def delay_after(self, worked_for: float | None) -> float:
        """Seconds to wait now that a child died that worked for so long (None: never began to)."""
        if worked_for is not None and worked_for >= RAN_WELL:
            self.deaths = 0
        self.deaths += 1
        return min(_LONGEST_DELAY, retry.delay_before(self.deaths, _FIRST_DELAY, "exponential"))
