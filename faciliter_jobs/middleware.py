"""What runs around every job: layers like an onion's, the first one given outermost.

handler = with_middleware(ResizeHandler(), Timing(), GiveUpOn(ValueError))
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .errors import InvalidTypeError, JobCancelledError, UnrecoverableError
from .handlers import JobHandler, is_async
from .job import Job

CallNext = Callable[[Job], Any]
Layer = Callable[[Job, CallNext], Any]  # `def layer(job, call_next)`, or async


class Middleware:
    """Hooks; define those that you need. They may be async where only async handlers are wrapped.

    A hook that raises fails the attempt with its error in place of the result or of the first error.
    """

    def before(self, job: Job) -> Awaitable[None] | None:
        """Before the handler."""

    def after(self, job: Job, result: Any) -> Awaitable[None] | None:
        """After it returned."""

    def error(self, job: Job, error: BaseException) -> Awaitable[None] | None:
        """After it raised, which may be a SystemExit or an asyncio.CancelledError. The error goes on."""


class Timing(Middleware):
    """Logs how long each attempt took, at `level`."""

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._logger = logger or logging.getLogger("faciliter_jobs.timing")
        self._level = level
        # A list, as one instance may go round a job more than once: an application's and an included one's.
        self._started: dict[tuple[str, int], list[float]] = {}

    def before(self, job: Job) -> None:
        self._started.setdefault((job.job_id, job.attempt), []).append(time.monotonic())

    def after(self, job: Job, result: Any) -> None:
        self._say(job, "completed")

    def error(self, job: Job, error: BaseException) -> None:
        self._say(job, f"failed with {type(error).__name__}")

    def _say(self, job: Job, end: str) -> None:
        attempt = (job.job_id, job.attempt)
        started = self._started.get(attempt)
        if not started:
            return  # whatever has happened, it is no reason to fail the job
        took = time.monotonic() - started.pop()
        if not started:
            self._started.pop(attempt, None)
        self._logger.log(
            self._level, "job %s (%s): attempt %d %s after %.1f ms",
            job.job_id, job.job_type, job.attempt, end, took * 1000,
            extra={"job_id": job.job_id, "job_type": job.job_type, "seconds": took},
        )  # fmt: skip


class GiveUpOn(Middleware):
    """These errors fail the job at once: another attempt would only repeat them.

    A JobCancelledError says nothing of the job, so that it is never one of them.
    """

    def __init__(self, *errors: type[Exception]) -> None:
        self._errors = errors

    def error(self, job: Job, error: BaseException) -> None:
        if isinstance(error, self._errors) and not isinstance(error, JobCancelledError):
            raise UnrecoverableError from error


class RetryOn(Middleware):
    """Only these errors are worth another attempt: any other fails the job at once."""

    def __init__(self, *errors: type[Exception]) -> None:
        self._errors = errors

    def error(self, job: Job, error: BaseException) -> None:
        final = isinstance(error, (UnrecoverableError, JobCancelledError))
        if isinstance(error, Exception) and not final and not isinstance(error, self._errors):
            raise UnrecoverableError from error


def with_middleware(handler: JobHandler, *middleware: Middleware | Layer) -> JobHandler:
    """The handler inside these layers. Raises InvalidTypeError for one that doesn't fit around it:
    a function `layer(job, call_next)` must be async for an async handler, and may not for another."""
    if not middleware:
        return handler
    wrapped = _AsyncWrapped if is_async(handler) else _Wrapped
    return wrapped(handler, middleware)


class _Wrapped(JobHandler):
    def __init__(self, handler: JobHandler, middleware: Sequence[Middleware | Layer]) -> None:
        self.handler = handler
        self._run: CallNext = handler.handle
        for layer in reversed(middleware):
            self._run = self._around(layer, self._run)

    def get_job_type(self) -> str:
        return self.handler.get_job_type()

    def handle(self, job: Job) -> Any:
        return self._run(job)

    def _around(self, layer: Middleware | Layer, call_next: CallNext) -> CallNext:
        if _is_async(layer):
            raise InvalidTypeError(f"middleware {_name(layer)} is async, the handler of {self._type} isn't")
        if isinstance(layer, Middleware):
            return _hooked(layer, call_next)
        return lambda job: layer(job, call_next)

    @property
    def _type(self) -> str:
        return self.handler.get_job_type()


class _AsyncWrapped(_Wrapped):
    async def handle(self, job: Job) -> Any:
        return await self._run(job)

    def _around(self, layer: Middleware | Layer, call_next: CallNext) -> CallNext:
        if isinstance(layer, Middleware):
            return _hooked_async(layer, call_next)
        if not _is_async(layer):
            raise InvalidTypeError(
                f"middleware {_name(layer)} isn't async, the handler of {self._type} is: make it async, or a "
                "Middleware with before, after and error, which goes around both"
            )
        return lambda job: layer(job, call_next)


def _is_async(layer: Middleware | Layer) -> bool:
    if isinstance(layer, Middleware):
        return any(inspect.iscoroutinefunction(hook) for hook in (layer.before, layer.after, layer.error))
    return any(inspect.iscoroutinefunction(f) for f in (layer, type(layer).__call__))


def _name(layer: Middleware | Layer) -> str:
    return getattr(layer, "__qualname__", None) or type(layer).__qualname__


def _hooked(layer: Middleware, call_next: CallNext) -> CallNext:
    def run(job: Job) -> Any:
        layer.before(job)
        try:
            result = call_next(job)
        except BaseException as error:
            layer.error(job, error)
            raise
        layer.after(job, result)
        return result

    return run


def _hooked_async(layer: Middleware, call_next: CallNext) -> CallNext:
    async def run(job: Job) -> Any:
        await _done(layer.before(job))
        try:
            result = await call_next(job)
        except BaseException as error:
            await _done(layer.error(job, error))
            raise
        await _done(layer.after(job, result))
        return result

    return run


async def _done(hook: Awaitable[None] | None) -> None:
    if hook is not None:
        await hook
