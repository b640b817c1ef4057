"""What runs a job."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .job import Job


class JobHandler(ABC):
    """Subclass it, and give an instance to `JobWorker.register_handler`."""

    @abstractmethod
    def handle(self, job: Job) -> Any:
        """Does the work and returns the result, which must be msgpack-able (a dict, usually).

        Any exception fails the attempt; the worker retries it up to `max_retries` times.
        """

    def get_job_type(self) -> str:
        """The type that it serves; by default its class's name in lower case, without `Handler`."""
        return type(self).__name__.removesuffix("Handler").lower()


class FunctionHandler(JobHandler):
    """A plain function as a handler."""

    def __init__(self, job_type: str, function: Callable[[Job], Any]) -> None:
        self._job_type = job_type
        self._function = function

    def handle(self, job: Job) -> Any:
        return self._function(job)

    def get_job_type(self) -> str:
        return self._job_type
