"""The worker: claims jobs, runs their handlers, reports how each attempt ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from .. import retry, validate
from ..base_queue import BaseJobQueue
from ..errors import InvalidArgumentError, InvalidTypeError, JobQueueError, QueueUnavailableError
from ..handlers import FunctionHandler, JobHandler
from ..job import Job
from ..queue import RedisJobQueue
from .claimer import Claimer
from .executor import Executor, GiveUp, RetryPolicy
from .heartbeat import Heartbeat
from .loop import Loop
from .signals import on_stop_signals

log = logging.getLogger("faciliter_jobs.worker")


class JobWorker:
    """Runs jobs one at a time in the thread that calls `start`; start several to compete.

    job_queue: default `get_job_queue()`.
    poll_interval: seconds between queue checks when idle. New jobs don't wait for it: they are
        handed over at once. Due retries and lost jobs are noticed at least so often.
    max_retries: how often a failed job is tried again (3: up to four runs).
    retry_delay: seconds before each retry. A waiting retry holds no worker up.
    lease: seconds after which the jobs of a worker that died are given to others, 1 or more. It is
        renewed while a handler runs, however long.
    backoff: "fixed", or "exponential" with jitter.
    catch_all: claim jobs of every type; those without a handler FAIL.
    """

    def __init__(
        self,
        job_queue: BaseJobQueue | None = None,
        poll_interval: float = 1.0,
        max_retries: int = 3,
        retry_delay: float = 5.0,
        *,
        lease: float = 30.0,
        backoff: retry.Backoff = "fixed",
        catch_all: bool = False,
        name: str | None = None,
    ) -> None:
        if backoff not in ("fixed", "exponential"):
            raise InvalidArgumentError(f"backoff: {backoff!r} is neither 'fixed' nor 'exponential'")
        self.poll_interval = validate.seconds(poll_interval, "poll_interval", low=0.001, high=3600)
        self.max_retries = validate.integer(max_retries, "max_retries", 0, validate.MAX_RETRIES)
        self.retry_delay = validate.seconds(retry_delay, "retry_delay")
        self.lease = validate.seconds(lease, "lease", low=1, high=86400)
        self.backoff: retry.Backoff = backoff
        self.catch_all = catch_all
        self.job_queue = _redis_queue(job_queue)
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
        self._handlers: dict[str, JobHandler] = {}
        self._stopping = threading.Event()
        self._running = threading.Event()
        self._signals = 0
        self._claimer: Claimer | None = None

    def register_handler(self, handler: JobHandler) -> None:
        """Serves the handler's type; a second handler of a type takes the first one's place."""
        if not isinstance(handler, JobHandler):
            raise InvalidTypeError(f"handler: expected a JobHandler, got {type(handler).__name__}")
        self._handlers[validate.job_type(handler.get_job_type(), "handler's job type")] = handler

    def register_function_handler(self, job_type: str, handler_func: Callable[[Job], Any]) -> None:
        """Serves `job_type` with a function that takes the job and returns the result."""
        if not callable(handler_func):
            raise InvalidTypeError(f"handler_func: expected a function, got {type(handler_func).__name__}")
        self.register_handler(FunctionHandler(job_type, handler_func))

    def start(self, max_jobs: int | None = None) -> None:
        """Runs jobs until `stop`, SIGTERM or SIGINT, or until `max_jobs` attempts have ended.

        On the first signal it finishes what runs and gives back what hasn't started; on the second
        it gives back at once what it can. A server that goes away, or isn't there yet, doesn't end it.
        """
        if max_jobs is not None:
            validate.integer(max_jobs, "max_jobs", 0, 10**12)
        if not self._handlers and not self.catch_all:
            raise InvalidArgumentError("no handler is registered: call register_handler first")
        if self._running.is_set():
            raise JobQueueError("this worker is running already")
        self._running.set()
        try:
            with on_stop_signals(self._on_signal):
                self._serve(max_jobs)
        finally:
            self._signals = 0
            self._stopping.clear()
            self._running.clear()

    def stop(self) -> None:
        """Ends `start` after the running job; from any thread, a handler, or a signal handler."""
        self._stopping.set()
        if self._claimer is not None:
            self._claimer.wake()

    def is_running(self) -> bool:
        return self._running.is_set()

    # --- inside -----------------------------------------------------------------------------------

    def _serve(self, max_jobs: int | None) -> None:
        lease_ms = round(self.lease * 1000)
        types = [] if self.catch_all else sorted(self._handlers)
        policy = RetryPolicy(self.max_retries, self.retry_delay, self.backoff)
        claimer = Claimer(self.job_queue, self.name, types, lease_ms, self.poll_interval)
        heartbeat = Heartbeat(self.job_queue, self.name, types, lease_ms, self.max_retries)
        self._executor = Executor(self.job_queue, self._handlers, policy)
        self._claimer = claimer
        log.info("worker %s serves %s", self.name, ", ".join(types) or "every type")
        try:
            # A server that is away now is met by the loop as any other loss of it.
            with contextlib.suppress(QueueUnavailableError):
                heartbeat.beat()
            with heartbeat:
                loop = Loop(self.name, claimer, heartbeat, self._executor, self._stopping, max_jobs)
                done = loop.run()
        finally:
            self._claimer = None
            claimer.close()
        log.info("worker %s stopped after %d attempts", self.name, done)

    def _on_signal(self, number: int) -> None:
        self._signals += 1
        log.info("%s: worker %s stops", signal.Signals(number).name, self.name)
        self.stop()
        if self._signals > 1 and self._executor.in_handler:
            raise GiveUp


def _redis_queue(queue: BaseJobQueue | None) -> RedisJobQueue:
    if queue is None:
        from ..default import get_job_queue

        queue = get_job_queue()
    if not isinstance(queue, RedisJobQueue):
        raise InvalidTypeError(f"job_queue: JobWorker needs a RedisJobQueue, got {type(queue).__name__}")
    return queue
