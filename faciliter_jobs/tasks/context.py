"""What a task may know of the job that it runs for."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import datetime, timezone
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .. import context as attempts
from .. import validate
from ..base_queue import BaseJobQueue
from ..job import Job, JobStatus

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class State(SimpleNamespace):
    """What `on_startup` functions made, by names of their choice: `state.db = connect()`."""


class JobLog(_Adapter):
    """A logger that says whose message it is. Called, it logs at INFO: `ctx.log("%d rows", n)`.

    Records carry `job_id`, `job_type`, `attempt` and `company_id`.
    """

    def __init__(self, logger: logging.Logger, job: Job) -> None:
        extra = {
            "job_id": job.job_id,
            "job_type": job.job_type,
            "attempt": job.attempt,
            "company_id": job.company_id,
        }
        super().__init__(logger, extra)
        self._prefix = f"job {job.job_id} ({job.job_type}, attempt {job.attempt}): "

    def __call__(self, message: object, *args: object) -> None:
        self.log(logging.INFO, message, *args, stacklevel=2)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if not self.isEnabledFor(level):
            return
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        # An id may hold a %, which is a placeholder once there are arguments.
        prefix = self._prefix.replace("%", "%%") if args else self._prefix
        self.logger.log(level, f"{prefix}{msg}", *args, stacklevel=kwargs.pop("stacklevel", 1) + 1, **kwargs)


class JobContext:
    """Given to a task whose first parameter is annotated with it. It isn't part of `.submit`.

    job: the job as it was when this attempt began.
    state: what the application's `on_startup` functions made.
    log: see `JobLog`.
    """

    def __init__(self, job: Job, state: State, logger: logging.Logger, queue: BaseJobQueue | None) -> None:
        self.job = job
        self.state = state
        self._logger = logger
        self._queue = queue

    @cached_property
    def log(self) -> JobLog:
        return JobLog(self._logger, self.job)

    @property
    def cancelled(self) -> bool:
        """Whether this attempt isn't wanted any more; see `Job.cancelled`."""
        return self.job.cancelled

    def raise_if_cancelled(self) -> None:
        """Ends the attempt when it isn't wanted any more: raises JobCancelledError."""
        self.job.raise_if_cancelled()

    def progress(self, percent: float, message: str | None = None) -> bool:
        """Sets the job's progress, 0 to 100. False when this attempt isn't the current one any more.

        Outside a worker (the task was simply called) it is only noted in `job`.
        """
        reached = validate.progress(percent)
        self.job.progress, self.job.progress_message = reached, message
        if self._queue is None:
            return True
        return self._queue.update_job_progress(self.job.job_id, reached, message)

    async def progress_async(self, percent: float, message: str | None = None) -> bool:
        """`progress`, without holding up the event loop."""
        import asyncio

        return await asyncio.to_thread(self.progress, percent, message)


current: ContextVar[JobContext | None] = ContextVar("faciliter_jobs_task_context", default=None)


def of_attempt(job: Job, state: State, logger: logging.Logger) -> JobContext:
    """The context of the attempt that a worker is running."""
    attempt = attempts.current.get()
    return JobContext(job, state, logger, None if attempt is None else attempt.queue)


def of_call(name: str, state: State, logger: logging.Logger) -> JobContext:
    """The context of a task that is simply called: the running job's, if one runs."""
    running = current.get()
    if running is not None:
        return running
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    job = Job("in-line", name, JobStatus.PROCESSING, created_at=now, updated_at=now, attempt=1)
    return JobContext(job, state, logger, None)
