"""The queue for asyncio: `RedisJobQueue`'s methods as coroutines.

>>> async with AsyncJobQueue() as queue:
...     job_id = await queue.submit_job("resize", {"width": 640})
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from .aio_notices import AsyncNotices
from .aio_results import giving_handles, in_order, jobs_as_they_end
from .aio_transport import AsyncTransport
from .config import JobConfig
from .default import usable_config
from .errors import ConfigError, JobQueueError, QueueUnavailableError
from .job import Job, JobSpec, JobStatus
from .operations import Operations
from .per_loop import PerLoop
from .progress_bar import need_rich
from .queue import RedisJobQueue
from .record import Claimed
from .results import Read
from .scripts import Ending, Problem, Stats
from .waiting import Waiting, result_of

if TYPE_CHECKING:
    from .aio_tenant import AsyncCompanyQueue

T = TypeVar("T")


async def create_async_job_queue(queue_type: str = "redis", config: JobConfig | None = None) -> AsyncJobQueue:
    """See `create_job_queue`; an embedded server is started in a thread."""
    queue = AsyncJobQueue(await asyncio.to_thread(usable_config, queue_type, config))
    await queue.connect()
    return queue


def _documented(cls: type[T]) -> type[T]:
    """Methods without a docstring get that of RedisJobQueue's method of the same name."""
    for name, method in vars(cls).items():
        if callable(method) and not method.__doc__:
            method.__doc__ = getattr(RedisJobQueue, name).__doc__
    return cls


@_documented
class AsyncJobQueue:
    """`RedisJobQueue` for asyncio: the same methods, arguments and errors, as coroutines.

    Tasks share it. It may be used in several event loops one after another; each gets connections of
    its own, at most `JobConfig.max_connections`, for which callers wait up to `socket_timeout`.

    `as_completed` and `map_jobs` are asynchronous iterators; `map_jobs` submits when that begins.

    A call that is cancelled has been carried out wholly or not at all, as one whose reply was lost:
    give `submit_job` an id of your own if you want to ask. A claim that is cancelled is given back.
    """

    def __init__(self, config: JobConfig | None = None) -> None:
        self.config = config or JobConfig.from_env()
        if self.config.embedded is not None:
            raise ConfigError("embedded://: use create_async_job_queue(config=...), which starts the server")
        self.connected = False
        self.operations = Operations(self.config)
        self.tag = self.operations.tag
        self.transport = AsyncTransport(self.config)
        self._notices = PerLoop(lambda: AsyncNotices(self.transport, self.operations))
        self._giving_back: PerLoop[set[asyncio.Task[None]]] = PerLoop(set)

    def for_company(self, company_id: str) -> AsyncCompanyQueue:
        from .aio_tenant import AsyncCompanyQueue

        return AsyncCompanyQueue(self, company_id)

    # --- connection -------------------------------------------------------------------------------

    async def connect(self) -> None:
        await self.transport.perform(self.operations.connect())
        self.connected = True

    async def close(self) -> None:
        """Closes this event loop's connections; a later call opens new ones."""
        await asyncio.gather(*self._giving_back.get())
        await self._notices.get().close()
        await self.transport.close()
        self.connected = False

    async def __aenter__(self) -> AsyncJobQueue:
        """Connects."""
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes."""
        await self.close()

    async def health_check(self) -> bool:
        try:
            await self.stats(limit=1)
        except QueueUnavailableError:
            return False
        return True

    # --- submit -----------------------------------------------------------------------------------

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
        spec = JobSpec(
            job_type, input_data, company_id, user_id, session_id, metadata, ttl,
            job_id, delay, run_at, max_retries, retry_delay, timeout,
        )  # fmt: skip
        job_id, call = self.operations.submit(spec)
        await self.transport.run(call)
        return job_id

    async def submit_jobs(self, jobs: Iterable[JobSpec | Mapping[str, Any]]) -> list[str]:
        return await self.transport.perform(self.operations.submit_many(jobs))

    submit = giving_handles(submit_job)

    # --- results ----------------------------------------------------------------------------------

    async def wait_for_result(self, job_id: str, timeout: float | None = None) -> Any:
        return result_of(await self.wait_for_job(job_id, timeout))

    async def wait_for_job(self, job_id: str, timeout: float | None = None) -> Job:
        async with aclosing(self._as_they_end([job_id], timeout, self.operations.get_job)) as jobs:
            return await anext(jobs)

    def as_completed(self, job_ids: Iterable[str], timeout: float | None = None) -> AsyncIterator[Job]:
        return self._as_they_end(job_ids, timeout, self.operations.listed_job)

    async def map_jobs(
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
        if progress:
            need_rich()
        ids = await self.transport.perform(self.operations.submit_inputs(job_type, inputs, fields))
        jobs = self._as_they_end(ids, timeout, self.operations.get_job)
        shown_as = job_type if progress else None
        values = in_order(jobs, ids, ordered=ordered, return_exceptions=return_exceptions, shown_as=shown_as)
        async with aclosing(jobs), aclosing(values):
            async for value in values:
                yield value

    def _as_they_end(
        self, job_ids: Iterable[str], timeout: float | None, read: Read
    ) -> AsyncGenerator[Job, None]:
        """See `results.jobs_as_they_end`."""
        waiting = Waiting(job_ids, timeout)
        return jobs_as_they_end(self.transport, self.operations, self._notices, waiting, read)

    # --- read -------------------------------------------------------------------------------------

    async def get_job(self, job_id: str) -> Job | None:
        return await self.transport.fetch(self.operations.get_job(job_id))

    async def get_job_result(self, job_id: str) -> Any:
        job = await self.get_job(job_id)
        return job.result if job is not None and job.status is JobStatus.COMPLETED else None

    async def list_jobs(
        self,
        status: JobStatus | None = None,
        company_id: str | None = None,
        user_id: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        steps = self.operations.list_jobs(status, company_id, user_id, limit)
        return await self.transport.perform(steps)

    async def stats(self, limit: int = 100) -> Stats:
        return await self.transport.run(self.operations.stats(limit))

    async def doctor(self, repair: bool = False) -> list[Problem]:
        return await self.transport.perform(self.operations.doctor(repair))

    # --- progress and ends ------------------------------------------------------------------------

    async def update_job_progress(
        self, job_id: str, progress: float, message: str | None = None, *, reset: bool = False
    ) -> bool:
        call = self.operations.progress(job_id, progress, message, reset)
        return (await self.transport.run(call)).accepted

    async def complete(self, job_id: str, result: Any = None) -> Ending:
        return await self.transport.run(self.operations.complete(job_id, result))

    async def complete_job(self, job_id: str, result: dict[str, Any] | None = None) -> bool:
        return (await self.complete(job_id, result)).accepted

    async def fail(self, job_id: str, error: str, *, retry_delay: float | None = None) -> Ending:
        return await self.transport.run(self.operations.fail(job_id, error, retry_delay))

    async def fail_job(self, job_id: str, error: str) -> bool:
        return (await self.fail(job_id, error)).accepted

    async def cancel(self, job_id: str, reason: str = "cancelled") -> Ending:
        return await self.transport.run(self.operations.cancel(job_id, reason))

    async def cancel_job(self, job_id: str) -> bool:
        return (await self.cancel(job_id)).accepted

    async def retry(self, job_id: str) -> Ending:
        return await self.transport.run(self.operations.retry(job_id))

    async def retry_job(self, job_id: str) -> bool:
        return (await self.retry(job_id)).accepted

    async def update_job_status(self, job_id: str, status: JobStatus, error: str | None = None) -> bool:
        return await self.transport.perform(self.operations.update_status(job_id, status, error))

    # --- work without a JobWorker -----------------------------------------------------------------

    async def get_pending_job(self, job_types: Iterable[str] = (), *, lease: float = 3600.0) -> Job | None:
        claiming = asyncio.ensure_future(self.transport.perform(self.operations.claim_one(job_types, lease)))
        try:
            claimed = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            task = asyncio.ensure_future(self._give_back(claiming))
            giving_back = self._giving_back.get()
            giving_back.add(task)
            task.add_done_callback(giving_back.discard)
            await asyncio.shield(task)
            raise
        return await self.transport.perform(self.operations.begin(claimed))

    async def _give_back(self, claiming: asyncio.Future[list[Claimed]]) -> None:
        """Puts back what was claimed for a caller that is gone; it doesn't have to wait for its lease."""
        try:
            if claimed := await claiming:
                await self.transport.run(self.operations.give_back(claimed))
        except JobQueueError:
            return  # the lease brings it back

    # --- upkeep (workers do it in passing) --------------------------------------------------------

    async def cleanup_old_jobs(self, older_than_seconds: float = 86400) -> int:
        return await self.transport.perform(self.operations.cleanup(older_than_seconds))
