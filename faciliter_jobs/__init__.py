"""faciliter-jobs: a Redis/Valkey job queue in which every state transition is one Lua script.

>>> from faciliter_jobs import submit_job, JobWorker
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base_queue import BaseJobQueue
from .config import JobConfig
from .default import (
    cancel_job,
    cleanup_old_jobs,
    complete_job,
    create_job_queue,
    fail_job,
    get_job_queue,
    get_job_result,
    get_job_status,
    get_pending_job,
    list_jobs,
    retry_job,
    set_job_queue,
    submit_job,
    submit_jobs,
    update_job_progress,
    update_job_status,
)
from .errors import (
    ConfigError,
    InvalidArgumentError,
    InvalidTypeError,
    JobQueueError,
    NotSerialisableError,
    PayloadTooLargeError,
    QueueFullError,
    QueueTimeoutError,
    QueueUnavailableError,
    UnrecoverableError,
)
from .handlers import JobHandler
from .job import Job, JobSpec, JobStatus
from .queue import RedisJobQueue
from .worker import JobWorker

if TYPE_CHECKING:
    from .aio import AsyncJobQueue as AsyncJobQueue
    from .aio import create_async_job_queue as create_async_job_queue

__version__ = "0.1.0"

__all__ = [
    "BaseJobQueue",
    "ConfigError",
    "InvalidArgumentError",
    "InvalidTypeError",
    "Job",
    "JobConfig",
    "JobHandler",
    "JobQueueError",
    "JobSpec",
    "JobStatus",
    "JobWorker",
    "NotSerialisableError",
    "PayloadTooLargeError",
    "QueueFullError",
    "QueueTimeoutError",
    "QueueUnavailableError",
    "RedisJobQueue",
    "UnrecoverableError",
    "cancel_job",
    "cleanup_old_jobs",
    "complete_job",
    "create_job_queue",
    "fail_job",
    "get_job_queue",
    "get_job_result",
    "get_job_status",
    "get_pending_job",
    "list_jobs",
    "retry_job",
    "set_job_queue",
    "submit_job",
    "submit_jobs",
    "update_job_progress",
    "update_job_status",
]


def __getattr__(name: str) -> Any:
    """The asyncio queue is loaded when it is asked for (and not by `import *`)."""
    if name in ("AsyncJobQueue", "create_async_job_queue"):
        from . import aio

        return getattr(aio, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
