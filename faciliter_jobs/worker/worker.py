"""The worker: claims jobs, runs their handlers, reports how each attempt ended."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from .. import retry, validate
from ..base_queue import BaseJobQueue
from ..errors import InvalidArgumentError, InvalidTypeError, JobQueueError
from ..handlers import FunctionHandler, JobHandler
from ..job import Job
from ..queue import RedisJobQueue
from .executor import Served
from .health import WorkerHealth
from .hooks import Hooks
from .service import Service
from .signals import on_stop_signals

log = logging.getLogger("faciliter_jobs.worker")

MAX_CONCURRENCY = 1000
_EXECUTORS = ("thread", "process", "asyncio")

F = TypeVar("F", bound=Callable[..., Any])


class JobWorker:
    """Runs jobs: by default one at a time in the thread that calls `start`; start several to compete.

    job_queue: default `get_job_queue()`, whose server may still be away.
    poll_interval: seconds between queue checks when idle. New jobs don't wait for it: they are
        handed over at once. Due retries and lost jobs are noticed at least so often.
    max_retries: how often a failed job is tried again (3: up to four runs).
    retry_delay: seconds before each retry. A waiting retry holds no worker up.
    lease: seconds after which the jobs of a worker that died are given to others, 1 or more. It is
        renewed while a handler runs, however long.
    backoff: "fixed", or "exponential" with jitter.
    catch_all: claim jobs of every type; those without a handler FAIL.
    concurrency: how many jobs run at once, 1 to 1000.
    executor: what they run in: "thread", "process" (forked; for work that keeps the CPU busy, and the
        only one that can end any handler) or "asyncio" (one event loop; what isn't async goes to threads).
    timeout: seconds that an attempt may take, unless its job or its type says otherwise; None: any time.
    shutdown_timeout: seconds that running jobs have to end after `stop` or a signal, before they are
        given back.
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
        concurrency: int = 1,
        executor: Literal["thread", "process", "asyncio"] = "thread",
        timeout: float | None = None,
        shutdown_timeout: float = 30.0,
    ) -> None:
        if backoff not in ("fixed", "exponential"):
            raise InvalidArgumentError(f"backoff: {backoff!r} is neither 'fixed' nor 'exponential'")
        self.poll_interval = validate.seconds(poll_interval, "poll_interval", low=0.001, high=3600)
        self.max_retries = validate.integer(max_retries, "max_retries", 0, validate.MAX_RETRIES)
        self.retry_delay = validate.seconds(retry_delay, "retry_delay")
        self.lease = validate.seconds(lease, "lease", low=1, high=86400)
        self.backoff: retry.Backoff = backoff
        self.catch_all = catch_all
        self.concurrency = validate.integer(concurrency, "concurrency", 1, MAX_CONCURRENCY)
        if executor not in _EXECUTORS:
            raise InvalidArgumentError(f"executor: {executor!r} is none of {', '.join(_EXECUTORS)}")
        self.executor = executor
        self.timeout = _timeout(timeout)
        self.shutdown_timeout = validate.seconds(shutdown_timeout, "shutdown_timeout")
        self.job_queue = _redis_queue(job_queue)
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
        self.handlers: dict[str, Served] = {}  # by type
        self.hooks = Hooks()
        self._stopping = threading.Event()
        self._running = threading.Event()
        self._signals = 0
        self._service: Service | None = None

    def register_handler(self, handler: JobHandler, *, timeout: float | None = None) -> None:
        """Serves the handler's type; a second handler of a type takes the first one's place.

        timeout: seconds that an attempt may take, unless its job says otherwise.
        """
        if not isinstance(handler, JobHandler):
            raise InvalidTypeError(f"handler: expected a JobHandler, got {type(handler).__name__}")
        job_type = validate.job_type(handler.get_job_type(), "handler's job type")
        self.handlers[job_type] = Served(handler, _timeout(timeout))

    def register_function_handler(
        self, job_type: str, handler_func: Callable[[Job], Any], *, timeout: float | None = None
    ) -> None:
        """Serves `job_type` with a function, plain or async, that takes the job and returns the result."""
        _callable(handler_func, "handler_func")
        self.register_handler(FunctionHandler(job_type, handler_func), timeout=timeout)

    def handler(self, job_type: str, *, timeout: float | None = None) -> Callable[[F], F]:
        """Decorator: serves `job_type` with the function."""

        def register(function: F) -> F:
            self.register_function_handler(job_type, function, timeout=timeout)
            return function

        return register

    def on_startup(self, function: F) -> F:
        """Runs it (sync or async, without arguments) when the worker starts; with the process executor
        also in each of its processes. What it raises, `start` raises. Usable as a decorator."""
        self.hooks.startup.append(_callable(function, "on_startup"))
        return function

    def on_shutdown(self, function: F) -> F:
        """As `on_startup`, after the last job."""
        self.hooks.shutdown.append(_callable(function, "on_shutdown"))
        return function

    def start(self, max_jobs: int | None = None) -> None:
        """Runs jobs until `stop`, SIGTERM or SIGINT, or until `max_jobs` attempts have ended.

        On the first signal (or `stop`) it claims no more and finishes what runs, within
        `shutdown_timeout` seconds; what hasn't ended then is given back, without counting a failure. On
        the second it gives everything back at once. A server that goes away, or isn't there yet, is
        waited for; one that refuses this client or holds data of another schema raises.
        """
        if max_jobs is not None:
            validate.integer(max_jobs, "max_jobs", 0, 10**12)
        if not self.handlers and not self.catch_all:
            raise InvalidArgumentError("no handler is registered: call register_handler first")
        if self._running.is_set():
            raise JobQueueError("this worker is running already")
        self._running.set()
        try:
            self._service = Service(self, self._stopping, max_jobs)
            with on_stop_signals(self._on_signal):
                self._service.run()
        finally:
            self._signals = 0
            self._stopping.clear()
            self._running.clear()

    def stop(self, *, deadline: bool = True) -> None:
        """Ends `start` after the running jobs; from any thread, a handler, or a signal handler. They have
        `shutdown_timeout` seconds; deadline=False: as long as they take, or until it is called with one."""
        self._stopping.set()
        if self._service is not None:
            self._service.stop(deadline=deadline)

    def is_running(self) -> bool:
        return self._running.is_set()

    def health(self) -> WorkerHealth:
        """How it is now; from any thread."""
        service, running = self._service, self.is_running()
        if service is None:
            return WorkerHealth(running, False, 0.0, False, 0, 0, 0)
        turning = service.turning
        return WorkerHealth(
            running,
            running and self._stopping.is_set(),
            turning.turned_ago if service.begun else 0.0,
            running and service.begun and turning.faults == 0,
            turning.active,
            turning.done,
            turning.abandoned,
        )

    def _on_signal(self, number: int) -> None:
        self._signals += 1
        service = self._service
        if service is not None and not service.begun and self._signals > 1:
            raise KeyboardInterrupt  # in an on_startup function: there is nothing yet to end in order
        if service is not None and (service.time_is_up or self._signals > 1):
            service.hurry()
            return
        log.info("%s: worker %s stops", signal.Signals(number).name, self.name)
        self.stop()


def _redis_queue(queue: BaseJobQueue | None) -> RedisJobQueue:
    if queue is None:
        from ..default import get_job_queue, server_may_be_away

        with server_may_be_away():
            queue = get_job_queue()
    if not isinstance(queue, RedisJobQueue):
        raise InvalidTypeError(f"job_queue: JobWorker needs a RedisJobQueue, got {type(queue).__name__}")
    return queue


def _timeout(value: float | None) -> float | None:
    return None if value is None else validate.seconds(value, "timeout", low=0.001)


def _callable(function: Any, name: str) -> Any:
    if not callable(function):
        raise InvalidTypeError(f"{name}: expected a function, got {type(function).__name__}")
    return function
