"""One company's part of a queue: whatever is asked through it, nothing of another company's is seen or
changed. Another's job looks exactly as one that doesn't exist; the scripts see to that, in the same
instant in which they act.
"""

from __future__ import annotations

import copy
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from . import scripts, validate
from .config import JobConfig
from .errors import InvalidArgumentError
from .job import Job, JobSpec, JobStatus
from .operations import Operations
from .queue import RedisJobQueue
from .results import JobHandle, giving_handles
from .scripts import Call, Command, Ending, NewJob, Steps


class CompanyOperations(Operations):
    """The operations on one queue that a company may ask for."""

    def __init__(self, config: JobConfig, company_id: str) -> None:
        super().__init__(config)
        company = validate.tenant(company_id, "company_id")
        if company is None:
            raise InvalidArgumentError("company_id: a handle is for one company, got None")
        self.company = company
        # So that no company can take an id before another does, or learn that it is taken.
        digest = hashlib.sha256(company.encode()).digest()[:12]
        self._own_ids = f"c{urlsafe_b64encode(digest).decode()}."

    def own_id(self, job_id: str) -> str:
        if validate.job_id(job_id).startswith(self._own_ids):
            return job_id
        return validate.job_id(self._own_ids + job_id)

    def _new_job(self, spec: JobSpec, new_id: Callable[[], str] | None = None) -> NewJob:
        job_id = None if spec.job_id is None else self.own_id(spec.job_id)
        own = replace(spec, company_id=self._company_of(spec.company_id), job_id=job_id)
        return super()._new_job(own, new_id)

    def _company_of(self, company_id: str | None) -> str:
        if company_id is not None and company_id != self.company:
            raise InvalidArgumentError("company_id: this handle is another company's; leave it out")
        return self.company

    def record(
        self, job_id: str, read: Callable[[Any], Job | None]
    ) -> Command[Job | None] | Call[Job | None]:
        return scripts.get_job(self.tag, job_id=validate.job_id(job_id), company=self.company, read=read)

    def list_jobs(
        self, status: JobStatus | None, company_id: str | None, user_id: str | None, limit: int
    ) -> Steps[list[Job]]:
        return super().list_jobs(status, self._company_of(company_id), user_id, limit)


class CompanyQueue:
    """What `RedisJobQueue.for_company` gives. Its methods are those of `RedisJobQueue`, on the jobs of one
    company; it shares the queue's connections. It has no calls that concern all companies.

    An own `job_id` is the company's own too: `submit_job(job_id="order-7")` returns the id under which
    the job is kept, which `own_id("order-7")` gives as well, and which is the one to ask for.
    """

    def __init__(self, queue: RedisJobQueue, company_id: str) -> None:
        operations = CompanyOperations(queue.config, company_id)
        self._operations = operations
        self._queue = copy.copy(queue)
        self._queue.operations = operations

    @property
    def company_id(self) -> str:
        return self._operations.company

    def own_id(self, job_id: str) -> str:
        """The id under which a job with this own id of the company is kept."""
        return self._operations.own_id(job_id)

    def submit_job(
        self,
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
        """As `RedisJobQueue.submit_job`; `company_id` may be left out."""
        return self._queue.submit_job(
            job_type, input_data, company_id, user_id, session_id, metadata, ttl,
            job_id=job_id, delay=delay, run_at=run_at, max_retries=max_retries, retry_delay=retry_delay,
            timeout=timeout,
        )  # fmt: skip

    def submit_jobs(self, jobs: Iterable[JobSpec | Mapping[str, Any]]) -> list[str]:
        return self._queue.submit_jobs(jobs)

    submit = giving_handles(submit_job, JobHandle)

    def wait_for_result(self, job_id: str, timeout: float | None = None) -> Any:
        return self._queue.wait_for_result(job_id, timeout)

    def wait_for_job(self, job_id: str, timeout: float | None = None) -> Job:
        return self._queue.wait_for_job(job_id, timeout)

    def as_completed(self, job_ids: Iterable[str], timeout: float | None = None) -> Iterator[Job]:
        return self._queue.as_completed(job_ids, timeout)

    def map_jobs(
        self,
        job_type: str,
        inputs: Iterable[dict[str, Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        ordered: bool = True,
        return_exceptions: bool = False,
        **fields: Any,
    ) -> Iterator[Any]:
        return self._queue.map_jobs(
            job_type,
            inputs,
            timeout=timeout,
            progress=progress,
            ordered=ordered,
            return_exceptions=return_exceptions,
            **fields,
        )

    def get_job(self, job_id: str) -> Job | None:
        return self._queue.get_job(job_id)

    def get_job_result(self, job_id: str) -> Any:
        return self._queue.get_job_result(job_id)

    def list_jobs(
        self,
        status: JobStatus | None = None,
        company_id: str | None = None,
        user_id: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        return self._queue.list_jobs(status, company_id, user_id, limit)

    def update_job_progress(
        self, job_id: str, progress: float, message: str | None = None, *, reset: bool = False
    ) -> bool:
        return self._queue.update_job_progress(job_id, progress, message, reset=reset)

    def update_job_status(self, job_id: str, status: JobStatus, error: str | None = None) -> bool:
        return self._queue.update_job_status(job_id, status, error)

    def complete(self, job_id: str, result: Any = None) -> Ending:
        return self._queue.complete(job_id, result)

    def complete_job(self, job_id: str, result: dict[str, Any] | None = None) -> bool:
        return self._queue.complete_job(job_id, result)

    def fail(self, job_id: str, error: str, *, retry_delay: float | None = None) -> Ending:
        return self._queue.fail(job_id, error, retry_delay=retry_delay)

    def fail_job(self, job_id: str, error: str) -> bool:
        return self._queue.fail_job(job_id, error)

    def cancel(self, job_id: str, reason: str = "cancelled") -> Ending:
        return self._queue.cancel(job_id, reason)

    def cancel_job(self, job_id: str) -> bool:
        return self._queue.cancel_job(job_id)

    def retry(self, job_id: str) -> Ending:
        return self._queue.retry(job_id)

    def retry_job(self, job_id: str) -> bool:
        return self._queue.retry_job(job_id)
