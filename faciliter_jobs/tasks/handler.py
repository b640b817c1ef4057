"""A task as the JobHandler that a worker runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidArgumentError, InvalidTypeError, UnrecoverableError
from ..handlers import JobHandler
from ..job import Job
from . import context as contexts
from .task import Task


class TaskHandler(JobHandler):
    def __init__(self, task: Task[Any, Any, Any]) -> None:
        self.task = task

    def get_job_type(self) -> str:
        return self.task.name

    def handle(self, job: Job) -> Any:
        arguments = self._arguments(job)
        context = contexts.of_attempt(job, self.task.app.state, self.task.logger)
        return self._result(self.task.run(context, (), arguments))

    def _arguments(self, job: Job) -> Mapping[str, Any]:
        """Arguments that don't fit won't fit the next time either."""
        try:
            return self.task.signature.load(job.input_data)
        except (InvalidArgumentError, InvalidTypeError) as error:
            raise UnrecoverableError from error

    def _result(self, value: Any) -> Any:
        return self.task.signature.dump_result(value)


class AsyncTaskHandler(TaskHandler):
    async def handle(self, job: Job) -> Any:
        arguments = self._arguments(job)
        context = contexts.of_attempt(job, self.task.app.state, self.task.logger)
        return self._result(await self.task.run_async(context, (), arguments))


def handler_of(task: Task[Any, Any, Any]) -> JobHandler:
    """Raises InvalidTypeError when the task has an annotation that can't be used."""
    task.signature.prepare()
    return AsyncTaskHandler(task) if task.is_async else TaskHandler(task)
