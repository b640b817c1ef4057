"""Which attempt the running code belongs to, and whether that attempt is still wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from .base_queue import BaseJobQueue

_making_a_flag = threading.RLock()  # a signal handler may ask for one, too


class CancelFlag(threading.Event):
    """Set when an attempt isn't wanted any more; `reason` says why."""

    def __init__(self) -> None:
        super().__init__()
        self.reason = ""
        self._calls: list[Callable[[], None]] = []
        self._telling = threading.RLock()  # a signal handler may tell, too

    def tell(self, reason: str) -> None:
        """Sets it; the first reason stays."""
        with self._telling:
            if self.is_set():
                return
            self.reason = reason
            self.set()
            calls = list(self._calls)
        for call in calls:
            call()

    def on_told(self, call: Callable[[], None]) -> None:
        """Calls it when the flag is set, in the thread that sets it; at once when it is."""
        with self._telling:
            if not self.is_set():
                self._calls.append(call)
                return
        call()


@dataclass(slots=True, eq=False)
class Attempt:
    job_id: str
    token: str
    queue: BaseJobQueue  # the one that the worker serves
    in_handler: bool = False
    # Waits until the server has begun the attempt, when its handler was called before that was known.
    confirm: Callable[[], None] | None = None
    _flag: CancelFlag | None = field(default=None, repr=False)  # made when somebody asks: most never do

    @property
    def cancelled(self) -> CancelFlag:
        """Set when the job was cancelled, timed out, lost its lease, or the worker stops without it."""
        if self._flag is None:
            with _making_a_flag:
                if self._flag is None:
                    self._flag = CancelFlag()
        return self._flag

    @property
    def is_cancelled(self) -> bool:
        return self._flag is not None and self._flag.is_set()


current: ContextVar[Attempt | None] = ContextVar("faciliter_jobs_attempt", default=None)


def token_for(job_id: str) -> str:
    """The running attempt's token when it is an attempt of this job, else '' (called from outside)."""
    attempt = current.get()
    if attempt is None or attempt.job_id != job_id:
        return ""
    if attempt.confirm is not None:
        attempt.confirm()
    return attempt.token
