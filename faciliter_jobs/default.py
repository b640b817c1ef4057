"""The documented module-level functions: a thin front over one default queue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, cast

from . import context
from .base_queue import BaseJobQueue
from .config import JobConfig, is_configured
from .errors import InvalidArgumentError, QueueRefusedError, QueueUnavailableError
from .job import Job, JobSpec, JobStatus
from .queue import RedisJobQueue

HINT = ". Set JOB_QUEUE_URL to your server, or to embedded:// for one of our own"

_chosen: BaseJobQueue | None = None  # by set_job_queue
# The one that was made from the environment, under this name: `setdefault` needs no lock, which a fork in
# another thread would leave locked for ever.
_made: dict[str, RedisJobQueue] = {}
_ENVIRONMENT = "environment"
_may_be_away: ContextVar[bool] = ContextVar("faciliter_jobs_server_may_be_away", default=False)


@contextlib.contextmanager
def server_may_be_away() -> Iterator[None]:
    """Queues that are made within are for a worker, which waits for their server when it starts."""
    before = _may_be_away.set(True)
    try:
        yield
    finally:
        _may_be_away.reset(before)


def create_job_queue(queue_type: str = "redis", config: JobConfig | None = None) -> RedisJobQueue:
    """A connected queue, "redis" or "valkey" (the same engine serves both).

    An `embedded://` config starts the embedded server, or finds the one that runs.
    Raises InvalidArgumentError (a ValueError) for another type, QueueUnavailableError.
    """
    queue = RedisJobQueue(usable_config(queue_type, config))
    try:
        queue.connect()
    except QueueRefusedError:
        raise
    except QueueUnavailableError:
        if not _may_be_away.get():
            raise
    return queue


def usable_config(queue_type: str, config: JobConfig | None) -> JobConfig:
    """The config given, or the environment's, with its embedded server running if it names one."""
    if queue_type.lower() not in ("redis", "valkey"):
        raise InvalidArgumentError(f"queue_type: {queue_type!r} is neither 'redis' nor 'valkey'")
    config = config or JobConfig.from_env()
    if config.embedded is None:
        return config
    from .embedded import ensure_server

    return config.with_socket(str(ensure_server(config.embedded or None)))


def set_job_queue(queue: BaseJobQueue | None) -> None:
    """Makes `queue` the one that the functions of this module use; None: made anew on first use."""
    global _chosen
    _chosen = queue
    _made.clear()


@contextlib.contextmanager
def using_queue(queue: BaseJobQueue) -> Iterator[None]:
    """Makes it the one that `submit_job`, `get_job_status`... and tasks use, for the time being."""
    global _chosen
    before, _chosen = _chosen, queue
    try:
        yield
    finally:
        _chosen = before


def current_default() -> BaseJobQueue | None:
    """The queue that was set or made, if there is one; makes none."""
    return _made.get(_ENVIRONMENT) if _chosen is None else _chosen


def get_job_queue() -> BaseJobQueue:
    """The default queue: the one that was set, else within a handler the worker's, else one made
    from the environment (`JobConfig.from_env`).

    Raises QueueUnavailableError when its server can't be reached.
    """
    if _chosen is not None:
        return _chosen
    attempt = context.current.get()
    return _from_environment() if attempt is None else attempt.queue


def _from_environment() -> RedisJobQueue:
    """Seen to reach its server, unless it is for a worker, which waits for that itself."""
    found = _made.get(_ENVIRONMENT)
    queue = found or RedisJobQueue(usable_config("redis", None))
    if not _may_be_away.get():
        _see(queue)
    first = _made.setdefault(_ENVIRONMENT, queue)
    if first is not queue:
        queue.close()
    return first


def _see(queue: RedisJobQueue) -> None:
    if queue.connected:
        return
    try:
        queue.connect()
    except QueueUnavailableError as error:
        if not is_configured():
            error.args = (str(error).rstrip(".") + HINT,)
        raise


def hint_for(queue: BaseJobQueue) -> str:
    """What to add to the news that the server of this queue can't be reached."""
    return HINT if queue is _made.get(_ENVIRONMENT) and not is_configured() else ""


def _own() -> RedisJobQueue:
    # For calls beyond those of BaseJobQueue. A cast and not a check: tests put mocks here.
    return cast(RedisJobQueue, get_job_queue())


def submit_job(
    job_type: str,
    input_data: dict[str, Any] | None = None,
    company_id: str | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
    metadata: dict[str, Any] | None = None,
    ttl: float | None = None,
    *,
    job_id: str | None = None,
    delay: float | None = None,
    run_at: datetime | float | None = None,
    max_retries: int | None = None,
    retry_delay: float | None = None,
    timeout: float | None = None,
) -> str:
    """See `RedisJobQueue.submit_job`."""
    beyond = {
        "job_id": job_id, "delay": delay, "run_at": run_at,
        "max_retries": max_retries, "retry_delay": retry_delay, "timeout": timeout,
    }  # fmt: skip
    given = {name: value for name, value in beyond.items() if value is not None}
    return _own().submit_job(
        job_type=job_type,
        input_data=input_data,
        company_id=company_id,
        user_id=user_id,
        session_id=session_id,
        metadata=metadata,
        ttl=ttl,
        **cast(Any, given),
    )


def submit_jobs(jobs: Iterable[JobSpec | Mapping[str, Any]]) -> list[str]:
    """See `RedisJobQueue.submit_jobs`."""
    return _own().submit_jobs(jobs)


def wait_for_result(job_id: str, timeout: float | None = None) -> Any:
    """See `RedisJobQueue.wait_for_result`."""
    return _own().wait_for_result(job_id, timeout)


def get_job_status(job_id: str) -> Job | None:
    """The whole job as it is now, or None when there is none of this id (any more)."""
    return get_job_queue().get_job(job_id)


def get_job_result(job_id: str) -> Any:
    """The result when the job is COMPLETED, else None."""
    job = get_job_status(job_id)
    return job.result if job is not None and job.status == JobStatus.COMPLETED else None


def update_job_status(job_id: str, status: JobStatus, error: str | None = None) -> bool:
    """See `RedisJobQueue.update_job_status`."""
    return get_job_queue().update_job_status(job_id, status, error)


def update_job_progress(job_id: str, progress: int, message: str | None = None) -> bool:
    """See `RedisJobQueue.update_job_progress`."""
    return get_job_queue().update_job_progress(job_id, progress, message)


def complete_job(job_id: str, result: dict[str, Any] | None = None) -> bool:
    """See `RedisJobQueue.complete_job`."""
    return get_job_queue().complete_job(job_id, result)


def fail_job(job_id: str, error: str) -> bool:
    """See `RedisJobQueue.fail_job`."""
    return get_job_queue().fail_job(job_id, error)


def cancel_job(job_id: str) -> bool:
    """See `RedisJobQueue.cancel_job`."""
    return get_job_queue().cancel_job(job_id)


def retry_job(job_id: str) -> bool:
    """See `RedisJobQueue.retry_job`."""
    return _own().retry_job(job_id)


def get_pending_job() -> Job | None:
    """See `RedisJobQueue.get_pending_job`."""
    return get_job_queue().get_pending_job()


def list_jobs(
    status: JobStatus | None = None,
    company_id: str | None = None,
    user_id: str | None = None,
    limit: int = 100,
) -> list[Job]:
    """See `RedisJobQueue.list_jobs`."""
    return get_job_queue().list_jobs(status, company_id, user_id, limit)


def cleanup_old_jobs(older_than_seconds: int = 86400) -> int:
    """See `RedisJobQueue.cleanup_old_jobs`."""
    return get_job_queue().cleanup_old_jobs(older_than_seconds)
