"""The loop of a worker that runs one job at a time in its own thread: claim, run, report, in as few
round trips as the handlers allow."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .. import context
from ..errors import JobQueueError
from ..record import Claimed
from ..scripts import Outcome, Parked, Turned
from ..transport import Pending
from .alarms import Alarms
from .bell import Bell
from .calls import Faults, count_jobs, note_endings, say_farewell
from .claimer import Claimer
from .executor import Executor, GiveUp
from .hands import Hands, Pace
from .heartbeat import Heartbeat
from .steward import Steward
from .told import Told
from .verdict import timed_out_after

log = logging.getLogger("faciliter_jobs.worker")

_QUICK = 16  # jobs in a turn from which on it pays to send the next before reading it


@dataclass(slots=True)
class Turn:
    """A call that reports outcomes and claims more."""

    outcomes: list[Outcome]
    want: int  # how many jobs it may bring
    pending: Pending[Turned]


class Loop:
    """One run of a worker.

    A turn reports outcomes and claims more in one call. While quick jobs are in hand the turn is
    sent ahead and its reply read when they have run; and the next is sent before that reply is taken
    apart. So the server works while we do.
    """

    def __init__(
        self,
        name: str,
        claimer: Claimer,
        heartbeat: Heartbeat,
        executor: Executor,
        alarms: Alarms,
        stopping: threading.Event,
        max_jobs: int | None,
    ) -> None:
        self._name = name
        self._claimer = claimer
        self._heartbeat = heartbeat
        self._executor = executor
        self._alarms = alarms
        self._stopping = stopping
        self._left = max_jobs  # attempts that may still be started; None: any number
        self._hands = Hands()
        self._pace = Pace()
        # The turn that has been sent and not read: its outcomes and its reply to come.
        self._sent: Turn | None = None
        # Nothing more is claimed before the hands are empty: what waits may be a job that runs alone.
        self._emptying = False
        # Held while outcomes or jobs are in a call that the loop or the steward makes: whoever parks
        # must not find them in the worker's own lists and take them for jobs of a lost reply.
        self._talk_lock = threading.RLock()
        self._told = Told()
        self._attempt: context.Attempt | None = None  # that runs
        self._bell = Bell()
        self._overdue_since: float | None = None  # when the time of the handler that still runs was over
        self._faults = Faults(name)
        self.done = 0

    def run(self) -> int:
        """Returns how many attempts have ended."""
        self._thread = threading.current_thread()
        try:
            with Steward(self._hands, self._report, self._give_back) as self._steward:
                while not self._stopping.is_set() and self._left != 0:
                    claimed = self._hands.start_next()
                    if claimed is None:
                        self._get_more()
                    else:
                        self._run_one(claimed)
        except GiveUp:
            log.warning("worker %s gives up its running job", self._name)
        self._farewell()
        return self.done

    @property
    def faults(self) -> int:
        return self._faults.count

    @property
    def active(self) -> int:
        return int(self._attempt is not None)

    @property
    def turned_ago(self) -> float:
        since = self._overdue_since
        if since is None:
            if self._attempt is not None or self._hands.running_since is not None:
                return 0.0
            return self._claimer.turns.ago()
        return time.monotonic() - since

    @property
    def abandoned(self) -> int:
        return int(self._overdue_since is not None)

    def wake(self) -> None:
        """Look whether to stop. Safe in a signal handler."""
        self._claimer.wake()
        self._bell.ring()

    def tell(self, token: str, reason: str) -> None:
        """This attempt, which runs or is yet to be run, isn't wanted any more. Called by other threads."""
        attempt = self._attempt
        if attempt is not None and attempt.token == token:
            attempt.cancelled.tell(reason)
            return
        self._told.add(token, reason)
        attempt = self._attempt
        if attempt is not None and attempt.token == token:  # it has started just now
            attempt.cancelled.tell(reason)

    def hurry(self, reason: str) -> None:
        """There is no time left. In a signal handler: raises GiveUp in the running handler."""
        attempt = self._attempt
        if attempt is None:
            return
        attempt.cancelled.tell(reason)
        if not attempt.in_handler:
            return
        if threading.current_thread() is self._thread:
            raise GiveUp
        try:  # nothing can end the handler: others run its job while it goes on
            self._claimer.leave()
        except JobQueueError as error:
            log.warning("worker %s can't give its job back: %s", self._name, error)

    def _run_one(self, claimed: Claimed) -> None:
        if self._hands or self._hands.has_outcomes or self._sent:
            self._steward.watch()
        executor = self._executor
        self._attempt = attempt = executor.new_attempt(claimed, self._claimer.confirm)
        if self._told.reasons and self._told.take(claimed.token):
            outcome = None
        elif executor.limits_time or b"timeout_ms" in claimed.fields:
            outcome = self._perform_in_time(claimed, attempt)
        else:
            outcome = executor.perform(claimed, attempt)
        self._claimer.turns.note()  # before it shows: the handler may have run for hours
        self._attempt = None
        if outcome is None:
            self._heartbeat.let_go([claimed])
        took = self._hands.end(outcome)
        self._pace.note(took)
        self.done += 1
        if self._left is not None:
            self._left -= 1
        if self._sent is None and not self.faults:
            self._turn_ahead()

    def _perform_in_time(self, claimed: Claimed, attempt: context.Attempt) -> Outcome | None:
        """The failure of a job whose time is over is reported at once; its handler goes on and what comes
        of it doesn't count."""
        timeout = self._executor.timeout_of(claimed)
        if timeout is None:
            return self._executor.perform(claimed, attempt)

        reported = threading.Event()

        def time_is_over() -> None:
            outcome = self._executor.verdicts.timed_out(claimed, timeout)
            self._overdue_since = time.monotonic()
            attempt.cancelled.tell(timed_out_after(timeout))
            self._hands.add(outcome)
            self._steward.watch()
            reported.set()

        alarm = self._alarms.after(timeout, time_is_over)
        try:
            outcome = self._executor.perform(claimed, attempt)
        except GiveUp:
            alarm.cancel()
            raise
        if alarm.cancel():
            return outcome
        reported.wait()  # else the loop might park without it, and find the job in its own list
        self._overdue_since = None
        return None

    # --- getting jobs -----------------------------------------------------------------------------

    def _want(self, coming: int = 0) -> int:
        """How many jobs to claim now, when so many are in a reply that hasn't been taken apart."""
        if self._emptying and (self._hands or coming):
            return 0
        room = self._pace.room()
        # Half of it at a time: one half is run while the other is fetched.
        want = min((room + 1) // 2, room - len(self._hands) - coming)
        if self._left is not None:
            want = min(want, self._left - len(self._hands) - coming)
        return 0 if self._stopping.is_set() else max(0, want)

    def _turn_ahead(self) -> None:
        """Sends a turn once half of the work in hand is done; with slow handlers, after each job."""
        if turn := self._next_turn():
            self._send(turn)

    def _next_turn(self, coming: int = 0) -> Turn | None:
        """Packed, and not sent yet; None while there is work enough in hand, or to come."""
        if len(self._hands) + coming > self._pace.room() // 2:
            return None
        want = self._want(coming)
        if want == 0 and (self._hands or coming):
            return None
        outcomes = self._take_outcomes()
        parks = not (self._hands or coming)
        return Turn(outcomes, want, self._claimer.prepare_turn(outcomes, want, parks=parks))

    def _send(self, turn: Turn) -> None:
        try:
            self._claimer.send_turn(turn.pending)
        except JobQueueError as error:
            self._hands.keep_outcomes(turn.outcomes)
            self._faults.note(error)
        except BaseException:
            self._hands.keep_outcomes(turn.outcomes)
            raise
        else:
            self._sent = turn
            self._emptying = False
            self._pace.claimed(turn.want)

    def _get_more(self) -> None:
        """Reads the turn that was sent, or reports what is left and parks until there is work."""
        self._claimer.turns.note()
        try:
            if self._sent is not None:
                parked = self._read_turn(and_send_the_next=True)
                if parked is not None:
                    self._receive(self._claimer.handed_over(parked))
                return
            self._report()
            want = self._want()
            if want > 0:
                self._receive(self._claimer.next_jobs(want))
                self._pace.claimed(want)
        except JobQueueError as error:
            self._faults.note(error)
            self._bell.wait(self._faults.pause())
        else:
            self._faults.are_over()

    def _receive(self, jobs: Sequence[Claimed]) -> None:
        self._heartbeat.hold(jobs)
        self._hands.receive(jobs)

    # --- reporting (also called by the steward) -----------------------------------------------------

    def _read_turn(self, *, and_send_the_next: bool = False) -> Parked | None:
        """When there is nothing to do, and the worker has been parked: how long to wait."""
        with self._talk_lock:
            if self._sent is None:
                return None
            turn, self._sent = self._sent, None
            following = None
            if and_send_the_next and self._hands.has_outcomes and turn.want >= _QUICK:
                following = self._next_turn(coming=turn.want)  # packed while the server is busy
            try:
                turn.pending.wait()
            except BaseException:
                if following is not None:
                    self._hands.keep_outcomes(following.outcomes)
                self._hands.keep_outcomes(turn.outcomes)  # perhaps reported: a second time does no harm
                raise
            if following is not None:
                self._send(following)
            turned = turn.pending.result()
            if turn.want > 0 and not turned.jobs and turned.parked is None:
                self._emptying = True
                self._claimer.ask_again()
            self._receive(turned.jobs)
            note_endings(turn.outcomes, turned.endings)
            return turned.parked

    def _report(self) -> None:
        """Reports what has ended, without claiming more: it may be sent twice."""
        with self._talk_lock:
            outcomes = self._take_outcomes()
            if not outcomes:
                return
            try:
                note_endings(outcomes, self._claimer.report(outcomes))
            except BaseException:
                self._hands.keep_outcomes(outcomes)
                raise

    def _take_outcomes(self) -> list[Outcome]:
        """To be reported now. Their leases are done with: the heartbeat would find them ended."""
        outcomes = self._hands.take_outcomes()
        self._heartbeat.let_go(outcomes)
        return outcomes

    def _give_back(self) -> None:
        """The running job takes long: what waits behind it is for others."""
        with self._talk_lock:
            self._read_turn()
            jobs = self._hands.take_unstarted()
            if not jobs:
                return
            self._heartbeat.let_go(jobs)
            try:
                self._claimer.release(jobs)
            except BaseException:
                self._receive(jobs)
                raise
        log.info("worker %s gave back %s from behind a long one", self._name, count_jobs(jobs))

    def _farewell(self) -> None:
        def report() -> None:
            self._read_turn()
            self._report()

        self._heartbeat.stop()
        say_farewell(self._name, report, self._claimer.leave)
