"""Runs one attempt's handler, and turns whatever comes of it into an outcome."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from .. import context
from ..errors import JobCancelledError, MissingKeyError, UndecodableError
from ..handlers import JobHandler, is_async
from ..job import Job
from ..queue import RedisJobQueue
from ..record import Claimed
from ..scripts import Outcome
from . import event_loop
from .verdict import Verdicts

# Results that are surely no awaitables: most are.
_PLAIN = frozenset({dict, type(None), list, str, int, float, bool, bytes, tuple})

_forks = 0  # how many forks this process is away from the one that has loaded this module


def _note_fork() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_note_fork)


class GiveUp(BaseException):
    """Raised in the running handler when the worker can't wait for it any longer."""


@dataclass(slots=True)
class Served:
    """A registered handler."""

    handler: JobHandler
    timeout: float | None  # seconds that an attempt may take; None: the worker's


class Executor:
    def __init__(
        self,
        queue: RedisJobQueue,
        handlers: Mapping[str, Served],
        verdicts: Verdicts,
        timeout: float | None = None,
    ) -> None:
        self.queue = queue
        self.verdicts = verdicts
        self._handlers = handlers
        self._timeout = timeout
        self._cipher = queue.operations.codec.cipher
        # Whether a job without a timeout of its own may have one.
        self.limits_time = timeout is not None or any(served.timeout for served in handlers.values())

    def new_attempt(self, claimed: Claimed, confirm: Callable[[], None] | None = None) -> context.Attempt:
        return context.Attempt(claimed.job_id, claimed.token, self.queue, confirm=confirm)

    def timeout_of(self, claimed: Claimed) -> float | None:
        """Seconds that this attempt may take: the job's, the type's, the worker's."""
        own = claimed.fields.get(b"timeout_ms", b"")
        if own.isdigit():  # else the record can't be read, which is what the attempt fails with
            return int(own) / 1000
        served = self._handlers.get(claimed.job_type)
        if served is not None and served.timeout is not None:
            return served.timeout
        return self._timeout

    def perform(self, claimed: Claimed, attempt: context.Attempt) -> Outcome | None:
        """Runs the handler in this thread. None: nothing is to be reported. Raises nothing but GiveUp."""
        served = self._handlers.get(claimed.job_type)
        if served is None:
            return self._unserved(claimed)
        try:
            job = claimed.job(self._cipher)
        except UndecodableError as unread:
            return self._unreadable(claimed, unread)
        job.bind(attempt)
        here = _forks
        reset = context.current.set(attempt)
        attempt.in_handler = True
        try:
            result = served.handler.handle(job)
            if type(result) not in _PLAIN and inspect.isawaitable(result):
                result = event_loop.run(result, attempt.cancelled)
        except GiveUp:
            raise
        except BaseException as error:  # SystemExit and its like end the attempt, not the worker
            if _forks != here:
                _end_of_a_fork(error)
            return self._raised(claimed, attempt, error)
        finally:
            attempt.in_handler = False
            context.current.reset(reset)
        if _forks != here:
            _end_of_a_fork(None)
        return self.verdicts.completed(claimed, result)

    async def perform_async(
        self,
        claimed: Claimed,
        attempt: context.Attempt,
        in_thread: Callable[[Callable[[], Any]], Awaitable[tuple[Any, BaseException | None]]],
    ) -> Outcome | None:
        """Runs the handler on the running event loop, or what isn't async by `in_thread` (which returns
        result and error), with the same outcome as `perform`."""
        served = self._handlers.get(claimed.job_type)
        if served is None:
            return self._unserved(claimed)
        try:
            job = claimed.job(self._cipher)
        except UndecodableError as unread:
            return self._unreadable(claimed, unread)
        job.bind(attempt)
        context.current.set(attempt)  # this task's own context
        here = _forks
        attempt.in_handler = True
        try:
            if is_async(served.handler):
                result = served.handler.handle(job)
            else:
                result, raised = await in_thread(lambda: _call_alone(served.handler, job))
                if raised is not None:
                    raise raised
            if type(result) not in _PLAIN and inspect.isawaitable(result):
                result = await result
        except BaseException as error:
            if _forks != here:
                _end_of_a_fork(error)
            return self._raised(claimed, attempt, error)
        finally:
            attempt.in_handler = False
        if _forks != here:
            _end_of_a_fork(None)
        return self.verdicts.completed(claimed, result)

    def _unserved(self, claimed: Claimed) -> Outcome:
        return self.verdicts.final(claimed, f"No handler registered for job type: {claimed.job_type}")

    def _unreadable(self, claimed: Claimed, error: UndecodableError) -> Outcome:
        if isinstance(error, MissingKeyError):
            return self.verdicts.postponed(claimed, error)
        return self.verdicts.final(claimed, f"UndecodableError: {error}")

    def _raised(self, claimed: Claimed, attempt: context.Attempt, error: BaseException) -> Outcome | None:
        if attempt.is_cancelled and isinstance(error, (JobCancelledError, asyncio.CancelledError)):
            return None
        return self.verdicts.raised(claimed, error)


def _call_alone(handler: JobHandler, job: Job) -> Any:
    """In a thread whose caller doesn't look whether the handler has forked."""
    here = _forks
    error: BaseException | None = None
    try:
        return handler.handle(job)
    except BaseException as raised:
        error = raised
        raise
    finally:
        if _forks != here:
            _end_of_a_fork(error)


def _end_of_a_fork(error: BaseException | None) -> NoReturn:
    """A handler has forked and its child returned into our code: that must not go on as a second worker."""
    status = 0
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exception(error)
        status = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status & 0xFF)
