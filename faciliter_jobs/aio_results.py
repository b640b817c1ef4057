"""`results.py` for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, Protocol

from .aio_notices import AsyncNotices, News
from .aio_transport import AsyncTransport, time_limit
from .errors import JobNotFoundError, QueueUnavailableError, WaitTimeoutError
from .job import Job, JobStatus
from .operations import Operations
from .per_loop import PerLoop
from .progress_bar import progress_bar
from .results import Read, documented_as
from .transport import pause_before
from .waiting import InOrder, Waiting, outcome_of


async def jobs_as_they_end(
    transport: AsyncTransport,
    operations: Operations,
    notices: PerLoop[AsyncNotices],
    waiting: Waiting,
    read: Read,
) -> AsyncGenerator[Job, None]:
    """As `results.jobs_as_they_end`."""
    with notices.get().subscribed(waiting.left) as news:
        if operations.company:  # the listener looks at all companies' jobs
            for job_id in await transport.perform(operations.ended(waiting.left)):
                news.put_nowait(job_id)
        while waiting.left:
            heard: list[str] = []
            try:
                heard = await _hear(news, waiting.remaining())
            except WaitTimeoutError:  # a last look: no time at all is enough for a job that has ended
                with suppress(QueueUnavailableError):
                    heard = await transport.perform(operations.ended(waiting.left))
                if not heard:
                    raise
            for job_id in heard:
                job = await _read_patiently(transport, read, job_id, waiting)
                if waiting.take(job_id, job) and job is not None:
                    yield job
    waiting.finish()


async def _hear(news: News, timeout: float | None) -> list[str]:
    """Ids of jobs that may have ended; [] when none has within `timeout` seconds."""
    try:
        async with time_limit(timeout):
            heard = [await news.get()]
    except asyncio.TimeoutError:
        return []
    while not news.empty():
        heard.append(news.get_nowait())
    for one in heard:
        if isinstance(one, Exception):
            raise one
    return [one for one in heard if isinstance(one, str)]


async def _read_patiently(transport: AsyncTransport, read: Read, job_id: str, waiting: Waiting) -> Job | None:
    failures = 0
    while True:
        try:
            return await transport.fetch(read(job_id))
        except QueueUnavailableError:
            failures += 1
            await asyncio.sleep(waiting.at_most(pause_before(failures)))


async def in_order(
    jobs: AsyncIterator[Job],
    job_ids: list[str],
    *,
    ordered: bool,
    return_exceptions: bool,
    shown_as: str | None,
) -> AsyncGenerator[Any, None]:
    """As `results.in_order`."""
    order = InOrder(job_ids, ordered)
    with progress_bar(len(job_ids), shown_as) as step:
        try:
            async for job in jobs:
                step(job)
                for ready in order.add(job):
                    yield outcome_of(ready, return_exceptions)
        except JobNotFoundError:  # after all others
            for ready in order.rest():
                yield outcome_of(ready, return_exceptions)
            raise


P = ParamSpec("P")


def giving_handles(
    submit_job: Callable[Concatenate[Any, P], Any],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, AsyncJobHandle]]:
    """As `results.giving_handles`."""

    async def submit(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> AsyncJobHandle:
        return AsyncJobHandle(self, await self.submit_job(*args, **kwargs))

    return documented_as(submit, submit_job, "AsyncJobHandle")


class HandledBy(Protocol):
    async def get_job(self, job_id: str) -> Job | None: ...
    async def wait_for_result(self, job_id: str, timeout: float | None = None) -> Any: ...
    async def cancel_job(self, job_id: str) -> bool: ...


class AsyncJobHandle:
    """A submitted job. `await handle` gives its result."""

    def __init__(self, queue: HandledBy, job_id: str) -> None:
        self.id = job_id
        self._queue = queue

    def __repr__(self) -> str:
        return f"AsyncJobHandle({self.id!r})"

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result().__await__()

    async def get(self) -> Job:
        """The job as it is now. Raises JobNotFoundError when it is gone."""
        job = await self._queue.get_job(self.id)
        if job is None:
            raise JobNotFoundError(f"there is no such job (any more): job {self.id}")
        return job

    async def status(self) -> JobStatus:
        """Raises JobNotFoundError when the job is gone."""
        return (await self.get()).status

    async def result(self, timeout: float | None = None) -> Any:
        """See `AsyncJobQueue.wait_for_result`."""
        return await self._queue.wait_for_result(self.id, timeout)

    async def cancel(self) -> bool:
        """See `AsyncJobQueue.cancel_job`."""
        return await self._queue.cancel_job(self.id)
