"""The loop of a worker that runs several jobs at once, or runs them elsewhere than in its own thread.

It claims only as many jobs as there are free slots, so nothing waits behind a running job. What has
ended meanwhile is reported in the call that claims more. When there is nothing to claim and a slot is
free, the loop waits on the worker's inbox, and the reporter's thread does the reporting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from ..errors import JobQueueError
from ..record import Claimed
from ..scripts import Outcome, Parked
from .alarms import Alarms
from .bell import Bell
from .calls import Faults, note_endings, pause_after, say_farewell
from .claimer import Claimer
from .executor import Executor
from .heartbeat import Heartbeat
from .inbox import Handed
from .roster import Roster
from .run import Pool, Run, Why
from .turns import LOOK_EVERY

log = logging.getLogger("faciliter_jobs.worker")


class Crew:
    def __init__(
        self,
        name: str,
        claimer: Claimer,
        heartbeat: Heartbeat,
        executor: Executor,
        pool: Pool,
        alarms: Alarms,
        stopping: threading.Event,
        max_jobs: int | None,
        poll_interval: float,
    ) -> None:
        self._name = name
        self._claimer = claimer
        self._heartbeat = heartbeat
        self._pool = pool
        self._stopping = stopping
        self._left = max_jobs  # attempts that may still be started; None: any number
        self._poll_interval = poll_interval
        self._bell = Bell()
        self._roster = Roster(executor, pool, alarms, self._keep, self._changed, claimer.confirm)
        self._outcomes: list[Outcome] = []
        self._lock = threading.Lock()  # of the outcomes and of _on_inbox
        # Held while outcomes or jobs are in a call: whoever asks for jobs must not find them in the
        # worker's own lists and take them for jobs of a lost reply.
        self._talk = threading.Lock()
        self._on_inbox = False  # the loop waits there: the reporter is to report
        self._to_report = threading.Event()
        # Whether jobs may stand in the worker's own lists that it doesn't know of: after it was parked,
        # and after a fault.
        self._may_have_more = False
        self._more_may_wait = False  # the last claim brought all that it asked for
        self._must_drain = False  # a job waits that is only claimed by a worker that holds nothing
        self._hurried: str | None = None
        self._finished = False
        self._faults = Faults(name)
        self.done = 0

    # --- what others see and say --------------------------------------------------------------------

    @property
    def faults(self) -> int:
        return self._faults.count

    @property
    def active(self) -> int:
        return len(self._roster)

    @property
    def turned_ago(self) -> float:
        return self._claimer.turns.ago()

    @property
    def abandoned(self) -> int:
        return self._pool.abandoned

    def tell(self, token: str, reason: str) -> None:
        self._roster.interrupt(token, Why.UNWANTED, reason)

    def wake(self) -> None:
        """Look whether to stop. Safe in a signal handler."""
        self._claimer.wake()
        self._bell.ring()

    def hurry(self, reason: str) -> None:
        """Safe in a signal handler."""
        self._hurried = reason
        self._bell.ring()

    # --- the loop -----------------------------------------------------------------------------------

    def run(self) -> int:
        """Returns how many attempts have ended."""
        reporter = threading.Thread(target=self._keep_reporting, name="reporter", daemon=True)
        reporter.start()
        self._pool.start(self._roster.end, self._bell.ring)
        try:
            while not self._stopping.is_set() and self._left != 0:
                self._step(self._want())
            self._drain()
        finally:
            self._finished = True
            self._to_report.set()
            reporter.join(timeout=1)
        self._farewell()
        return self.done

    def _want(self) -> int:
        """How many jobs to claim now."""
        if self._stopping.is_set() or self._roster.has_a_loner:
            return 0
        free = self._pool.free()
        return free if self._left is None else min(free, self._left)

    def _step(self, want: int) -> None:
        self._claimer.turns.note()
        try:
            if self._outcomes or (want and self._more_may_wait):
                self._turn(want)
            elif want and not self._must_drain:
                self._look_for_work(want)
            else:
                self._adopt()
                self._rest(self._poll_interval)
                self._claimer.tend_now_and_then()
                self._must_drain = False
        except JobQueueError as error:
            self._faults.note(error)
            self._may_have_more = True
            self._bell.wait(self._faults.pause())
        else:
            self._faults.are_over()

    def _rest(self, seconds: float) -> None:
        """Until something changes, for so long at most."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._bell.wait(min(left, LOOK_EVERY)):
            self._claimer.turns.note()

    def _turn(self, want: int) -> None:
        """Reports, and claims more while that can't be claimed twice: not after a fault."""
        want = 0 if self.faults else want
        self._more_may_wait = False
        if want:
            want -= self._adopt()
        with self._talk:
            parks = not self._roster  # first: then all that has run is among the outcomes
            outcomes = self._take_outcomes()
            try:
                turned = self._claimer.turn(outcomes, want, parks=parks)
            except BaseException:
                self._keep_outcomes(outcomes)  # perhaps reported: a second time does no harm
                raise
            note_endings(outcomes, turned.endings)
            if want > 0 and not turned.jobs:
                self._claimer.ask_again()
            self._may_have_more = self._may_have_more or turned.parked is not None
            self._receive(turned.jobs)
        self._more_may_wait = 0 < want <= len(turned.jobs)
        if turned.parked is not None:
            self._begin_what_comes(turned.parked)

    def _adopt(self) -> int:
        """Takes over what stands unknown in the worker's own lists, and parks no more."""
        if not self._may_have_more:
            return 0
        with self._talk:
            jobs = self._claimer.adopt(self._known())
            self._may_have_more = False
            self._receive(jobs)
        return len(jobs)

    def _look_for_work(self, want: int) -> None:
        with self._talk:
            parked = self._claimer.park(want, self._known())
            self._may_have_more = not parked.jobs and parked.wait_ms != 0
            self._receive(parked.jobs)
        if parked.jobs:
            self._more_may_wait = len(parked.jobs) >= want
        elif parked.wait_ms == 0:
            self._must_drain = bool(self._roster)
        else:
            self._begin_what_comes(parked)

    def _begin_what_comes(self, parked: Parked) -> None:
        """What is handed over to the worker, which is parked."""
        if handed := self._wait_on_inbox(parked):
            self._begin(handed)

    def _begin(self, handed: Handed) -> None:
        """What was handed over isn't known, also when an attempt at it that has lost its lease still runs.
        But it may be what a park has found already: an attempt that is in hand isn't begun again."""
        with self._talk:
            known = [job_id for job_id in self._known() if job_id != handed.job_id]
            jobs = self._claimer.take_up(handed, known)
            self._may_have_more = False
            self._receive([claimed for claimed in jobs if not self._has(claimed.token)])

    def _wait_on_inbox(self, parked: Parked) -> Handed | None:
        with self._lock:
            self._on_inbox = True
            if self._outcomes:
                self._to_report.set()
        try:
            return self._claimer.wait(parked)
        finally:
            with self._lock:
                self._on_inbox = False

    def _receive(self, jobs: Sequence[Claimed]) -> None:
        """Starts them; gives back those for which there is no slot, and one that must not run beside
        others."""
        if not jobs:
            return
        self._heartbeat.hold(jobs)
        free = 0 if self._stopping.is_set() else self._pool.free()
        starting, surplus = self._roster.fit(jobs, free if self._left is None else min(free, self._left))
        if self._left is not None:
            self._left -= len(starting)
        self._roster.start(starting)
        if surplus:
            self._heartbeat.let_go(surplus)
            self._claimer.release(surplus)

    def _known(self) -> list[str]:
        """Ids that stand in the worker's own lists and are in hand."""
        running = self._roster.job_ids()  # first: a run that ends is in both for a moment
        with self._lock:
            return [*running, *(outcome.job_id for outcome in self._outcomes)]

    def _has(self, token: str) -> bool:
        """Whether the attempt runs, or has ended and isn't reported yet."""
        if self._roster.has(token):  # first, as above
            return True
        with self._lock:
            return any(outcome.token == token for outcome in self._outcomes)

    # --- reporting ------------------------------------------------------------------------------------

    def _keep(self, run: Run, outcome: Outcome | None) -> None:
        """Called by the roster, in whatever thread the run has ended."""
        with self._lock:
            self.done += 1
            if outcome is not None:
                self._outcomes.append(outcome)
        if outcome is None:
            self._heartbeat.let_go([run.claimed])

    def _changed(self) -> None:
        with self._lock:
            reporters = self._on_inbox and bool(self._outcomes)
        if reporters:
            self._to_report.set()
        else:
            self._bell.ring()

    def _keep_reporting(self) -> None:
        faults = 0
        while True:
            self._to_report.wait()
            self._to_report.clear()
            if self._finished:
                return
            try:
                self._report()
                faults = 0
            except JobQueueError as error:
                faults += 1
                log.debug("reporter: %s", error)  # the loop meets the same fault, and says so
                time.sleep(pause_after(faults))
                self._to_report.set()

    def _report(self) -> None:
        with self._talk:
            outcomes = self._take_outcomes()
            if not outcomes:
                return
            try:
                note_endings(outcomes, self._claimer.report(outcomes))
            except BaseException:
                self._keep_outcomes(outcomes)
                raise

    def _take_outcomes(self) -> list[Outcome]:
        """To be reported now. Their leases are done with: the heartbeat would find them ended."""
        with self._lock:
            outcomes, self._outcomes = self._outcomes, []
        self._heartbeat.let_go(outcomes)
        return outcomes

    def _keep_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        with self._lock:
            self._outcomes[:0] = outcomes

    # --- the end ----------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Until nothing runs any more, or there is no time left for what does."""
        while self._roster and self._hurried is None:
            self._step(0)
        if not self._roster:
            return
        log.warning("worker %s gives up %d running jobs", self._name, len(self._roster))
        self._roster.interrupt_all(Why.SHUTDOWN, self._hurried or "the worker stops")
        deadline = time.monotonic() + self._pool.grace
        while self._roster and (left := deadline - time.monotonic()) > 0:
            self._bell.wait(left)

    def _farewell(self) -> None:
        self._roster.give_up()
        self._heartbeat.stop()
        say_farewell(self._name, self._report, self._claimer.leave)
