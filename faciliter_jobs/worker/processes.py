"""Slots that are processes: the only ones in which any handler can be ended.

Each slot has a thread here, which hands jobs to a child process and waits for what comes of them. A
child that dies takes its one attempt with it, and is replaced.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from queue import SimpleQueue
from typing import Any

from ..errors import JobQueueError
from ..scripts import Outcome
from ..transport import pause_before
from . import child as messages
from . import event_loop, frames
from .alarms import Alarms
from .child import ChildLife
from .executor import Executor
from .hooks import Hooks
from .nursery import Child, Nursery
from .run import OnEnd, Run, Why

log = logging.getLogger("faciliter_jobs.worker")

_GRACE = 0.5  # seconds between telling a handler, SIGTERM and SIGKILL
_LONGEST_PAUSE = 5.0  # between two tries to start a child
_NEWS_OF_DEATH_WITHIN = 2.0
_GOODBYE_WITHIN = 10.0  # for on_shutdown functions


class _Died(Exception):
    """The child has died, after it had taken the job; or before: then another can run it."""

    def __init__(self, begun: bool) -> None:
        self.begun = begun


class _End(Enum):
    """How a child has dealt with a job."""

    LIVES = "the job has ended, the child lives"
    DIED = "both have ended"
    NOT_BEGUN = "the child died before it had taken the job"


class ProcessPool:
    is_here = False
    grace = 3 * _GRACE + 1.0
    abandoned = 0

    def __init__(
        self, executor: Executor, size: int, alarms: Alarms, hooks: Hooks, on_failure: Callable[[], None]
    ) -> None:
        self._executor = executor
        self._size = size
        self._alarms = alarms
        self._hooks = hooks
        self._on_failure = on_failure
        self._nursery = Nursery(self._live, self._nursery_is_lost)
        self._work: SimpleQueue[Run | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._slots: list[threading.Thread] = []
        self._closing = threading.Event()
        self.failure: str | None = None

    def open(self) -> None:
        self._nursery.open()

    def run(self, awaitable: Awaitable[Any]) -> Any:
        return event_loop.run(awaitable)

    def start(self, on_end: OnEnd, on_change: Callable[[], None]) -> None:
        self._on_end, self._on_change = on_end, on_change
        self._nursery.start()
        for _ in range(self._size):
            slot = threading.Thread(target=self._keep_a_slot, name="slot", daemon=True)
            self._slots.append(slot)
            slot.start()

    def free(self) -> int:
        return 0 if self.failure else self._idle

    def begin(self, runs: Sequence[Run]) -> None:
        with self._lock:
            self._idle -= len(runs)
        for run in runs:
            self._work.put(run)

    def interrupt(self, run: Run) -> None:
        """The handler is told, and has a grace to end politely; then its process gets SIGTERM (GiveUp is
        raised in the handler), then SIGKILL. Out of time: SIGTERM at once."""
        with self._lock:
            child: Child | None = run.slot
        if child is None:
            return  # its slot sees run.why before it begins
        if run.why is not Why.TIMEOUT:
            self._say(child, run, messages.TELL)
            self._alarms.after(_GRACE, lambda: self._stop(child, run))
        else:
            self._stop(child, run)

    def close(self) -> None:
        self._closing.set()
        for _ in self._slots:
            self._work.put(None)
        for slot in self._slots:
            slot.join(timeout=_GOODBYE_WITHIN if self.failure is None else 0)
        self._nursery.close()

    # --- stopping -------------------------------------------------------------------------------------

    def _stop(self, child: Child, run: Run) -> None:
        if self._say(child, run, messages.STOP):
            self._alarms.after(_GRACE, lambda: self._kill(child, run))

    def _kill(self, child: Child, run: Run) -> None:
        with self._lock:  # the child can't be given another job meanwhile
            if run.slot is child:
                self._nursery.kill(child)

    def _say(self, child: Child, run: Run, what: str) -> bool:
        """Whether the run is still with that child."""
        with self._lock:
            if run.slot is not child:
                return False
            with contextlib.suppress(OSError):
                child.send([what, run.claimed.token, run.attempt.cancelled.reason])
            return True

    # --- in a slot's thread -----------------------------------------------------------------------------

    def _keep_a_slot(self) -> None:
        child: Child | None = None
        while True:
            if child is None:
                child = self._new_child()
                if child is None:
                    return
                self._is_idle()
                self._on_change()
            run = self._work.get()
            if run is None:
                break
            while (end := self._performed(child, run)) is _End.NOT_BEGUN:
                child = self._new_child()
                if child is None:
                    self._on_end(run, None)  # given back when the worker leaves
                    return
            if end is _End.DIED:
                child = None
        self._say_goodbye(child)

    def _is_idle(self) -> None:
        with self._lock:
            self._idle += 1

    def _performed(self, child: Child, run: Run) -> _End:
        outcome: Outcome | None = None
        end = _End.LIVES
        with self._lock:
            run.slot = child
            wanted = run.why is None  # else it was interrupted before it had begun
        try:
            if wanted:
                outcome = self._talk(child, run)
        except _Died as died:
            child.link.close()
            end = _End.DIED
            if run.why is None:
                if not died.begun:
                    return _End.NOT_BEGUN
                message = f"its process {child.how_it_ended()}"
                outcome = self._executor.verdicts.failed(run.claimed, message)
        else:
            self._is_idle()
        finally:
            with self._lock:
                run.slot = None
        self._on_end(run, outcome)
        return end

    def _talk(self, child: Child, run: Run) -> Outcome | None:
        claimed, begun = run.claimed, False
        try:
            child.send([messages.JOB, claimed.job_id, claimed.token, claimed.fields])
            message = frames.receive(child.link)
            if message is not None:
                begun = True
                message = frames.receive(child.link)
        except OSError:
            message = None
        if message is None:
            self._await_death(child)
            raise _Died(begun)
        with self._lock:
            run.slot = None
        fields = message[1]
        return None if fields is None else Outcome(*fields)

    def _await_death(self, child: Child) -> None:
        """Its link is closed, so it is dead or as good as dead."""
        if not child.dead.wait(_NEWS_OF_DEATH_WITHIN):
            self._nursery.kill(child)
            child.dead.wait(_NEWS_OF_DEATH_WITHIN)

    def _new_child(self) -> Child | None:
        """A child that is ready; None when the pool is closed or has failed. One that can't start is
        tried again, more and more seldom."""
        attempt = 0
        while not self._closing.is_set() and self.failure is None:
            try:
                child = self._nursery.new_child()
            except JobQueueError as error:
                log.warning("%s", error)
            else:
                message = frames.receive(child.link)
                if message is not None and message[0] == messages.READY:
                    return child
                self._await_death(child)
                child.link.close()
            attempt += 1
            self._closing.wait(pause_before(attempt, _LONGEST_PAUSE))
        return None

    def _say_goodbye(self, child: Child | None) -> None:
        if child is None or child.dead.is_set() or self.failure is not None:
            return
        with contextlib.suppress(OSError):
            child.send([messages.QUIT])
        if not child.dead.wait(_GOODBYE_WITHIN):
            log.warning("child process %d doesn't end: killed", child.pid)
            self._nursery.kill(child)

    def _nursery_is_lost(self) -> None:
        self.failure = "the process that makes child processes has died"
        log.error("%s: the worker stops", self.failure)
        self._on_failure()

    # --- in the child -----------------------------------------------------------------------------------

    def _live(self, link: socket.socket) -> None:
        ChildLife(link, self._executor, self._hooks).live()
