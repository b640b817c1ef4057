"""A thread that looks after what the worker holds while a handler runs: outcomes are reported after
5 ms at the latest, and when a job takes long, what waits behind it is given back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..errors import JobQueueError
from .hands import Hands

log = logging.getLogger("faciliter_jobs.worker")

_TICK = 0.005
_LONGEST_HOLD = 0.005  # of an outcome, in seconds
_FAULT_PAUSE = 0.2
_LONG_JOB = 0.1  # seconds after which what waits behind a job is given back


class Steward:
    """Use as a context manager around the worker's loop. Ticks only while there is something to
    look after: the loop calls `watch` when it starts a job with more in hand."""

    def __init__(self, hands: Hands, report: Callable[[], None], give_back: Callable[[], None]) -> None:
        self._hands = hands
        self._report = report
        self._give_back = give_back
        self._watching = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="steward", daemon=True)

    def __enter__(self) -> Steward:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._watching.set()
        self._thread.join()

    def watch(self) -> None:
        if not self._watching.is_set():
            self._watching.set()

    def _run(self) -> None:
        while not self._stop:
            self._watching.wait()
            time.sleep(_TICK)
            self._watching.clear()  # before the look: a job that starts after it sets it again
            try:
                if self._look():
                    self._watching.set()
            except JobQueueError as error:
                log.debug("steward: %s", error)  # the loop meets the same fault, and says so
                time.sleep(_FAULT_PAUSE)
                self._watching.set()

    def _look(self) -> bool:
        """Whether to look again soon."""
        hands = self._hands
        running_since = hands.running_since
        if running_since is None:
            return False  # between two jobs the loop reports by itself
        now = time.monotonic()
        if hands.has_outcomes and now - hands.holding_since > _LONGEST_HOLD:
            self._report()
        if now - running_since > _LONG_JOB:
            self._give_back()
            return hands.has_outcomes
        return True
