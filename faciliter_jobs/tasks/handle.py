"""A task's job, whose result has the type that the function returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..errors import JobNotFoundError
from ..job import Job, JobStatus
from ..queue import RedisJobQueue

if TYPE_CHECKING:
    from .task import Task

R = TypeVar("R")


class TaskHandle(Generic[R]):
    """Given by `Task.start` and `Task.handle`."""

    def __init__(self, task: Task[..., Any, R], job_id: str) -> None:
        self.id = job_id
        self._task = task

    def __repr__(self) -> str:
        return f"<TaskHandle {self._task.name} {self.id}>"

    def job(self) -> Job:
        """The job as it is now. Raises JobNotFoundError when it is gone."""
        job = self._task.app.queue.get_job(self.id)
        if job is None:
            raise JobNotFoundError(f"there is no such job (any more): job {self.id}")
        return job

    def status(self) -> JobStatus:
        """Raises JobNotFoundError when the job is gone."""
        return self.job().status

    def result(self, timeout: float | None = None) -> R:
        """Waits for the job's end; `timeout` in seconds. Raises as `RedisJobQueue.wait_for_result` does."""
        queue = cast(RedisJobQueue, self._task.app.queue)
        return self._task.load_result(queue.wait_for_result(self.id, timeout))

    def cancel(self) -> bool:
        """See `RedisJobQueue.cancel_job`."""
        return self._task.app.queue.cancel_job(self.id)
