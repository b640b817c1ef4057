"""One run of a worker: its parts put together, and how it is stopped."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from typing import TYPE_CHECKING, Protocol

from ..default import hint_for
from ..errors import JobQueueError, QueueUnavailableError
from . import event_loop
from .adoption import Adoption
from .alarms import Alarms
from .arrival import Arrival
from .claimer import Claimer
from .coroutines import AsyncioPool
from .crew import Crew
from .executor import Executor
from .heartbeat import Heartbeat
from .listener import Listener
from .loop import Loop
from .processes import ProcessPool
from .run import Pool
from .threads import ThreadPool
from .verdict import RetryPolicy, Verdicts

if TYPE_CHECKING:
    from .worker import JobWorker

log = logging.getLogger("faciliter_jobs.worker")

_STOPS = "the worker stops"
_CANCELLED = "the job was cancelled"
_GONE = "the job was ended from outside, or its lease was lost"


class Turning(Protocol):
    """What fetches, runs and reports: the loop of one job at a time, or the crew."""

    done: int  # attempts that have ended

    @property
    def faults(self) -> int: ...  # of calls, in a row

    @property
    def active(self) -> int: ...

    @property
    def turned_ago(self) -> float: ...

    @property
    def abandoned(self) -> int: ...

    def run(self) -> int: ...

    def tell(self, token: str, reason: str) -> None: ...

    def wake(self) -> None: ...

    def hurry(self, reason: str) -> None: ...


class Service:
    def __init__(self, worker: JobWorker, stopping: threading.Event, max_jobs: int | None) -> None:
        self._worker = worker
        self._stopping = stopping
        self._alarms = Alarms()
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        self._deadline_set = self._ended = False
        self.time_is_up = False
        self.begun = False  # it serves: its hooks have run
        queue, lease_ms = worker.job_queue, round(worker.lease * 1000)
        types = [] if worker.catch_all else sorted(worker.handlers)
        policy = RetryPolicy(worker.max_retries, worker.retry_delay, worker.backoff)
        verdicts = Verdicts(queue.operations.codec, policy)
        self._executor = Executor(queue, worker.handlers, verdicts, worker.timeout)
        terms = worker.max_retries, self._on_gone
        self._pool = self._new_pool()
        adoption = None
        if self._pool is None or self._pool.is_here:
            adoption = Adoption(queue.transport, queue.tag, worker.name, lease_ms, *terms)
        waits = worker.poll_interval, worker.concurrency
        self._claimer = Claimer(queue, worker.name, types, lease_ms, *waits, adoption)
        confirm = None if adoption is None else adoption.confirm
        self._heartbeat = Heartbeat(queue, worker.name, types, lease_ms, *terms, confirm)
        self._listener = Listener(queue, worker.name, self._on_cancelled, self._heartbeat.beat_soon)
        self._types = types
        self._arrival = Arrival(queue, worker.name, hint_for(queue))
        self.turning = self._new_turning(max_jobs)

    def _new_pool(self) -> Pool | None:
        """None: jobs run one at a time in the thread of the loop."""
        worker = self._worker
        if worker.executor == "thread" and worker.concurrency > 1:
            return ThreadPool(self._executor, worker.concurrency)
        if worker.executor == "asyncio":
            return AsyncioPool(self._executor, worker.concurrency, self._alarms)
        if worker.executor == "process":
            return ProcessPool(self._executor, worker.concurrency, self._alarms, worker.hooks, worker.stop)
        return None

    def _new_turning(self, max_jobs: int | None) -> Turning:
        name, claimer, heartbeat = self._worker.name, self._claimer, self._heartbeat
        if self._pool is None:
            return Loop(name, claimer, heartbeat, self._executor, self._alarms, self._stopping, max_jobs)
        roster_of = (self._executor, self._pool, self._alarms)
        poll_interval = self._worker.poll_interval
        return Crew(name, claimer, heartbeat, *roster_of, self._stopping, max_jobs, poll_interval)

    def run(self) -> None:
        name = self._worker.name
        log.info("worker %s serves %s", name, ", ".join(self._types) or "every type")
        pool, done = self._pool, 0
        if pool is not None:
            pool.open()
        self._alarms.start()
        try:
            if self._arrival.wait(self._stopping):
                done = self._serve()
        finally:
            self._ended = True
            self._alarms.close()
            if pool is not None:
                pool.close()
            self._claimer.close()
            event_loop.close()
        log.info("worker %s stopped after %d attempts", name, done)
        if pool is not None and pool.failure is not None:
            raise JobQueueError(f"worker {name}: {pool.failure}")

    def _serve(self) -> int:
        hooks, await_it = self._worker.hooks, event_loop.run if self._pool is None else self._pool.run
        hooks.started(await_it)
        # A server that is away now is met by the loop as any other loss of it.
        with contextlib.suppress(QueueUnavailableError):
            self._claimer.load_scripts()
            self._heartbeat.beat()
        self.begun = True
        with self._heartbeat, self._listener:
            done = self.turning.run()
        hooks.ended(await_it)
        return done

    def stop(self, *, deadline: bool = True) -> None:
        """Claims no more; what runs has `shutdown_timeout` seconds, if there is a deadline. Safe in a signal
        handler."""
        if self._ended:
            return
        self._arrival.wake()
        self.turning.wake()
        if deadline and not self._deadline_set:
            self._deadline_set = True
            self._alarms.after(self._worker.shutdown_timeout, self._time_is_up)

    def hurry(self) -> None:
        """Gives back at once what runs. In a signal handler: may raise GiveUp."""
        self.turning.hurry(_STOPS)

    def _time_is_up(self) -> None:
        log.warning(
            "worker %s gives up what still runs %g s after it was stopped",
            self._worker.name,
            self._worker.shutdown_timeout,
        )
        self.time_is_up = True
        if self._in_main_thread:
            # As a second signal does it: only within one can a handler be interrupted.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        else:
            self.hurry()

    def _on_cancelled(self, token: str, job_id: str) -> None:
        log.info("job %s was cancelled", job_id)
        self.turning.tell(token, _CANCELLED)

    def _on_gone(self, token: str, job_id: str) -> None:
        self.turning.tell(token, _GONE)
