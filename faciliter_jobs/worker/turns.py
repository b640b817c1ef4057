"""When a worker's loop has last turned."""

from __future__ import annotations

import time

LOOK_EVERY = 0.5  # seconds after which a wait is known anew to go on


class Turns:
    """It turns, too, when a wait in it is seen to go on, however long that is."""

    def __init__(self) -> None:
        self._at: float | None = None

    def note(self) -> None:
        self._at = time.monotonic()

    def ago(self) -> float:
        """Seconds; 0 before the first one."""
        return 0.0 if self._at is None else time.monotonic() - self._at
