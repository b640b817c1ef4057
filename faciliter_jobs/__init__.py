"""faciliter-jobs: a Redis/Valkey job queue in which every state transition is one Lua script.

>>> from faciliter_jobs import submit_job, JobWorker
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    wait_for_result,
)
from .errors import (
    AccessDeniedError,
    ConfigError,
    EncryptionError,
    InvalidArgumentError,
    InvalidTypeError,
    JobCancelledError,
    JobEndedError,
    JobFailedError,
    JobNotFoundError,
    JobQueueError,
    JobWasCancelledError,
    MissingKeyError,
    NotSerialisableError,
    PayloadTooLargeError,
    QueueFullError,
    QueueTimeoutError,
    QueueUnavailableError,
    UnrecoverableError,
    WaitTimeoutError,
)
from .handlers import JobHandler
from .job import Job, JobSpec, JobStatus
from .queue import RedisJobQueue
from .results import JobHandle
from .tenant import CompanyQueue

if TYPE_CHECKING:
    from .aio import AsyncJobQueue as AsyncJobQueue
    from .aio import create_async_job_queue as create_async_job_queue
    from .aio_tenant import AsyncCompanyQueue as AsyncCompanyQueue
    from .tasks import Depends as Depends
    from .tasks import JobApp as JobApp
    from .tasks import JobContext as JobContext
    from .worker import JobWorker as JobWorker

__version__ = "0.1.0"

__all__ = [
    "AccessDeniedError",
    "BaseJobQueue",
    "CompanyQueue",
    "ConfigError",
    "EncryptionError",
    "InvalidArgumentError",
    "InvalidTypeError",
    "Job",
    "JobCancelledError",
    "JobConfig",
    "JobEndedError",
    "JobFailedError",
    "JobHandle",
    "JobHandler",
    "JobNotFoundError",
    "JobQueueError",
    "JobSpec",
    "JobStatus",
    "JobWasCancelledError",
    "JobWorker",
    "MissingKeyError",
    "NotSerialisableError",
    "PayloadTooLargeError",
    "QueueFullError",
    "QueueTimeoutError",
    "QueueUnavailableError",
    "RedisJobQueue",
    "UnrecoverableError",
    "WaitTimeoutError",
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
    "wait_for_result",
]

# Loaded when they are asked for: a producer needs none of them. All but JobWorker stay out of __all__, since
# `import *` would load them.
_LATER = {
    "AsyncCompanyQueue": "aio_tenant",
    "AsyncJobQueue": "aio",
    "create_async_job_queue": "aio",
    "Depends": "tasks",
    "JobApp": "tasks",
    "JobContext": "tasks",
    "JobWorker": "worker",
}

if not TYPE_CHECKING:  # else checkers would take any name for one that is there

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        found = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
