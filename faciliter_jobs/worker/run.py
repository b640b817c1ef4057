"""An attempt in one of several slots, and the pool of slots that runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from ..context import Attempt
from ..record import Claimed
from ..scripts import Outcome
from .alarms import Alarm


class Why(Enum):
    """Why an attempt is to end before its handler does. What is reported then:"""

    TIMEOUT = "timeout"  # that it failed
    UNWANTED = "unwanted"  # nothing: the job isn't ours any more
    SHUTDOWN = "shutdown"  # what it still completes; else it is given back


@dataclass(slots=True, eq=False)
class Run:
    claimed: Claimed
    attempt: Attempt
    timeout: float | None  # seconds
    why: Why | None = None
    ended: bool = False
    alarm: Alarm | None = None
    slot: Any = field(default=None, repr=False)  # the pool's own


OnEnd = Callable[[Run, "Outcome | None"], None]


class Pool(Protocol):
    """Slots. `begin`, `interrupt` and `free` may be called from any thread."""

    grace: float  # seconds that interrupted runs may take to end
    is_here: bool  # in this process, where what a handler says can be held back
    failure: str | None  # why it can't run anything any more
    abandoned: int  # threads whose handler goes on though its time is over

    def open(self) -> None:
        """Before anything else, and before any other thread of the worker."""

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """Awaits what an `on_startup` or `on_shutdown` function has returned."""

    def start(self, on_end: OnEnd, on_change: Callable[[], None]) -> None:
        """`on_end` is called once for each run that was begun; `on_change` when `free` has risen
        otherwise."""

    def free(self) -> int: ...

    def begin(self, runs: Sequence[Run]) -> None: ...

    def interrupt(self, run: Run) -> None:
        """Ends it as far as that can be done, because of `run.why`; then `on_end` is called."""

    def close(self) -> None:
        """After all runs have ended or been given up."""
