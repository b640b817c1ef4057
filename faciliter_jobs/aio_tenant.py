"""`queue.for_company` for asyncio."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

from .aio import AsyncJobQueue
from .aio_results import giving_handles
from .job import Job, JobSpec, JobStatus
from .scripts import Ending
from .tenant import CompanyOperations


class AsyncCompanyQueue:
    """What `AsyncJobQueue.for_company` gives: `CompanyQueue` for asyncio."""

    def __init__(self, queue: AsyncJobQueue, company_id: str) -> None:
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

    async def submit_job(
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
        """As `CompanyQueue.submit_job`."""
        return await self._queue.submit_job(
            job_type, input_data, company_id, user_id, session_id, metadata, ttl,
            job_id=job_id, delay=delay, run_at=run_at, max_retries=max_retries, retry_delay=retry_delay,
            timeout=timeout,
        )  # fmt: skip

    async def submit_jobs(self, jobs: Iterable[JobSpec | Mapping[str, Any]]) -> list[str]:
        return await self._queue.submit_jobs(jobs)

    submit = giving_handles(submit_job)

    async def wait_for_result(self, job_id: str, timeout: float | None = None) -> Any:
        return await self._queue.wait_for_result(job_id, timeout)

    async def wait_for_job(self, job_id: str, timeout: float | None = None) -> Job:
        return await self._queue.wait_for_job(job_id, timeout)

    def as_completed(self, job_ids: Iterable[str], timeout: float | None = None) -> AsyncIterator[Job]:
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
    ) -> AsyncIterator[Any]:
        return self._queue.map_jobs(
            job_type,
            inputs,
            timeout=timeout,
            progress=progress,
            ordered=ordered,
            return_exceptions=return_exceptions,
            **fields,
        )

    async def get_job(self, job_id: str) -> Job | None:
        return await self._queue.get_job(job_id)

    async def get_job_result(self, job_id: str) -> Any:
        return await self._queue.get_job_result(job_id)

    async def list_jobs(
        self,
        status: JobStatus | None = None,
        company_id: str | None = None,
        user_id: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        return await self._queue.list_jobs(status, company_id, user_id, limit)

    async def update_job_progress(
        self, job_id: str, progress: float, message: str | None = None, *, reset: bool = False
    ) -> bool:
        return await self._queue.update_job_progress(job_id, progress, message, reset=reset)

    async def update_job_status(self, job_id: str, status: JobStatus, error: str | None = None) -> bool:
        return await self._queue.update_job_status(job_id, status, error)

    async def complete(self, job_id: str, result: Any = None) -> Ending:
        return await self._queue.complete(job_id, result)

    async def complete_job(self, job_id: str, result: dict[str, Any] | None = None) -> bool:
        return await self._queue.complete_job(job_id, result)

    async def fail(self, job_id: str, error: str, *, retry_delay: float | None = None) -> Ending:
        return await self._queue.fail(job_id, error, retry_delay=retry_delay)

    async def fail_job(self, job_id: str, error: str) -> bool:
        return await self._queue.fail_job(job_id, error)

    async def cancel(self, job_id: str, reason: str = "cancelled") -> Ending:
        return await self._queue.cancel(job_id, reason)

    async def cancel_job(self, job_id: str) -> bool:
        return await self._queue.cancel_job(job_id)

    async def retry(self, job_id: str) -> Ending:
        return await self._queue.retry(job_id)

    async def retry_job(self, job_id: str) -> bool:
        return await self._queue.retry_job(job_id)
