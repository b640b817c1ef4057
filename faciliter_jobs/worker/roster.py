"""The runs of a worker with several slots: which there are, when their time is over, how each ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ..record import Claimed
from ..scripts import Outcome
from .alarms import Alarms
from .executor import Executor
from .run import OnEnd, Pool, Run, Why
from .told import Told
from .verdict import timed_out_after

_LOSSES_TO_RUN_ALONE = 2  # as start.lua has it for a worker with several slots


class Roster:
    """Each run that was started ends once: then `keep(run, outcome)` is called while its job is still
    among the `job_ids`, with None when nothing is to be reported, and `changed` when it isn't any more."""

    def __init__(
        self,
        executor: Executor,
        pool: Pool,
        alarms: Alarms,
        keep: OnEnd,
        changed: Callable[[], None],
        confirm: Callable[[], None],
    ) -> None:
        self._executor = executor
        self._pool = pool
        self._alarms = alarms
        self._keep = keep
        self._changed = changed
        self._confirm = confirm  # waits until the server has begun what was started
        self._runs: dict[str, Run] = {}  # by token
        self._told = Told()
        self._lock = threading.Lock()
        self.has_a_loner = False  # a job runs that must not run beside others

    def __len__(self) -> int:
        return len(self._runs)

    def job_ids(self) -> list[str]:
        with self._lock:
            return [run.claimed.job_id for run in self._runs.values()]

    def has(self, token: str) -> bool:
        return token in self._runs

    def fit(self, jobs: Sequence[Claimed], free: int) -> tuple[list[Claimed], list[Claimed]]:
        """Those that may be started now, and the rest."""
        if self.has_a_loner:
            return [], list(jobs)
        loners = [claimed for claimed in jobs if self._is_a_loner(claimed)]
        if not loners:
            return list(jobs[:free]), list(jobs[free:])
        if self._runs or len(jobs) > 1:
            others = [claimed for claimed in jobs if claimed not in loners]
            return others[:free], others[free:] + loners
        return loners[:free], loners[free:]

    def _is_a_loner(self, claimed: Claimed) -> bool:
        return int(claimed.fields.get(b"losses", 0)) >= _LOSSES_TO_RUN_ALONE

    def start(self, jobs: Sequence[Claimed]) -> None:
        runs = []
        for claimed in jobs:
            attempt = self._executor.new_attempt(claimed, self._confirm)
            run = Run(claimed, attempt, self._executor.timeout_of(claimed))
            runs.append(run)
            with self._lock:
                self._runs[claimed.token] = run
        self.has_a_loner = len(runs) == 1 and self._is_a_loner(runs[0].claimed)
        wanted = [run for run in runs if not self._was_told(run)]
        for run in wanted:
            if run.timeout is not None:
                self._limit(run, run.timeout)
        self._pool.begin(wanted)

    def _was_told(self, run: Run) -> bool:
        """It was cancelled before it started."""
        reason = self._told.take(run.claimed.token)
        if reason is None:
            return False
        run.why = Why.UNWANTED
        self.end(run, None)
        return True

    def _limit(self, run: Run, seconds: float) -> None:
        reason = timed_out_after(seconds)
        run.alarm = self._alarms.after(
            seconds, lambda: self.interrupt(run.claimed.token, Why.TIMEOUT, reason)
        )

    def interrupt(self, token: str, why: Why, reason: str) -> None:
        """Ends a run before its handler does; or, when it isn't there (yet), keeps that it isn't wanted."""
        with self._lock:
            run = self._runs.get(token)
            if run is None:
                if why is Why.UNWANTED:
                    self._told.add(token, reason)
                return
            if run.why is not None or run.ended:
                return
            run.why = why
        run.attempt.cancelled.tell(reason)
        self._pool.interrupt(run)

    def interrupt_all(self, why: Why, reason: str) -> None:
        for token in list(self._runs):
            self.interrupt(token, why, reason)

    def end(self, run: Run, outcome: Outcome | None) -> None:
        """Called by the pool."""
        with self._lock:
            if run.ended:
                return
            run.ended = True
            why = run.why
        if run.alarm is not None:
            run.alarm.cancel()
        self._keep(run, self._judged(run, why, outcome))
        with self._lock:
            self._runs.pop(run.claimed.token, None)
            if not self._runs:
                self.has_a_loner = False
        self._changed()

    def _judged(self, run: Run, why: Why | None, outcome: Outcome | None) -> Outcome | None:
        if why is None:
            return outcome
        if why is Why.TIMEOUT:
            return self._executor.verdicts.timed_out(run.claimed, run.timeout or 0.0)
        if why is Why.SHUTDOWN and outcome is not None and outcome.ending == "completed":
            return outcome
        return None

    def give_up(self) -> None:
        """Nothing that comes of what still runs counts any more."""
        with self._lock:
            for run in self._runs.values():
                run.ended = True
            self._runs.clear()
