"""What a worker holds: jobs that it has claimed and not started, and outcomes that it has not yet
reported. Shared by the worker's loop and its steward."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from ..record import Claimed
from ..scripts import Outcome

_WORK_IN_HAND = 0.05  # seconds of work that a worker may hold
_MOST_JOBS = 256


class Hands:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: deque[Claimed] = deque()
        self._outcomes: list[Outcome] = []
        self.holding_since = 0.0  # when the oldest outcome ended (monotonic)
        self.running_since: float | None = None  # when the running job was started (monotonic)

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def has_outcomes(self) -> bool:
        return bool(self._outcomes)

    def receive(self, jobs: Sequence[Claimed]) -> None:
        with self._lock:
            self._ready.extend(jobs)

    def start_next(self) -> Claimed | None:
        with self._lock:
            if not self._ready:
                return None
            self.running_since = time.monotonic()
            return self._ready.popleft()

    def end(self, outcome: Outcome | None) -> float:
        """Keeps the running job's outcome, if there is one; returns how long it ran, in seconds."""
        now = time.monotonic()
        with self._lock:
            took = now - (self.running_since or now)
            self.running_since = None
            if outcome is not None:
                self._add(outcome, now)
        return took

    def add(self, outcome: Outcome) -> None:
        """Keeps the outcome of a job that still runs."""
        with self._lock:
            self._add(outcome, time.monotonic())

    def _add(self, outcome: Outcome, now: float) -> None:
        if not self._outcomes:
            self.holding_since = now
        self._outcomes.append(outcome)

    def take_outcomes(self) -> list[Outcome]:
        with self._lock:
            outcomes, self._outcomes = self._outcomes, []
            return outcomes

    def keep_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Takes back outcomes that could not be reported, or not surely."""
        with self._lock:
            self._outcomes[:0] = outcomes

    def take_unstarted(self) -> list[Claimed]:
        with self._lock:
            jobs = list(self._ready)
            self._ready.clear()
            return jobs


class Pace:
    """How many jobs to hold: about 50 ms of work, one when handlers are slow.

    The estimate of a handler's time rises at once and falls slowly, and the number at most doubles
    from one claim to the next, so that a few quick jobs don't fill the hands with slow ones.
    """

    def __init__(self) -> None:
        self._estimate = _WORK_IN_HAND
        self._allowed = 1

    def note(self, seconds: float) -> None:
        if seconds > self._estimate:
            self._estimate = seconds
        else:
            self._estimate += (seconds - self._estimate) * 0.1

    def room(self) -> int:
        return max(1, min(_MOST_JOBS, self._allowed, int(_WORK_IN_HAND / max(self._estimate, 1e-6))))

    def claimed(self, wanted: int) -> None:
        """A claim of so many has been made."""
        self._allowed = min(_MOST_JOBS, max(2, wanted * 4))  # a claim is for half of the room
