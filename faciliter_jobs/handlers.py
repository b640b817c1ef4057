"""What runs a job."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .job import Job


class JobHandler(ABC):
    """Subclass it, and give an instance to `JobWorker.register_handler`."""

    @abstractmethod
    def handle(self, job: Job) -> Any:
        """Does the work and returns the result, which must be msgpack-able (a dict, usually).
        It may be `async def`, under every executor.

        Any exception fails the attempt; the worker retries it up to `max_retries` times.
        """

    def get_job_type(self) -> str:
        """The type that it serves; by default its class's name in lower case, without `Handler`."""
        return type(self).__name__.removesuffix("Handler").lower()


class FunctionHandler(JobHandler):
    """A function, plain or async, as a handler."""

    def __init__(self, job_type: str, function: Callable[[Job], Any]) -> None:
        self._job_type = job_type
        self._function = function

    def handle(self, job: Job) -> Any:
        return self._function(job)

    def get_job_type(self) -> str:
        return self._job_type


def is_async(handler: JobHandler) -> bool:
    """Whether its `handle` is known to return an awaitable. One that isn't may do so all the same."""
    called: Any = handler._function if isinstance(handler, FunctionHandler) else handler.handle
    while isinstance(called, functools.partial):
        called = called.func
    if not (inspect.isroutine(called) or inspect.isclass(called)):
        called = type(called).__call__
    return inspect.iscoroutinefunction(called)
