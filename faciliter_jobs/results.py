"""Waiting for jobs to end without polling, handles, and mapping a job type over many inputs."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from .errors import JobNotFoundError, QueueUnavailableError, WaitTimeoutError
from .job import Job, JobStatus
from .notices import Notices
from .operations import Operations
from .progress_bar import progress_bar
from .scripts import Call, Command
from .transport import Transport, pause_before
from .waiting import LOOK_EVERY, InOrder, Waiting, outcome_of

Read = Callable[[str], "Command[Job | None] | Call[Job | None]"]


def jobs_as_they_end(
    transport: Transport, operations: Operations, waiting: Waiting, read: Read
) -> Generator[Job, None, None]:
    """Each job once, as it ends. Raises WaitTimeoutError; JobNotFoundError after all others, and
    QueueUnavailableError when the server can't be reached at the start. Later outages are sat out."""

    def taken(job_ids: Iterable[str]) -> Iterator[Job]:
        for job_id in job_ids:
            job = _read_patiently(transport, read, job_id, waiting)
            if waiting.take(job_id, job) and job is not None:
                yield job

    # A look before there is a connection to wait on: it may not be needed.
    ended, left_then = transport.perform(operations.ended(waiting.left)), 0
    while waiting.left:
        try:
            yield from taken(ended)
            yield from _listen(transport, operations, waiting, taken)
        except WaitTimeoutError:  # a last look: no time at all is enough for a job that has ended
            if len(waiting.left) == left_then:
                raise  # what the last one found can't be read
            ended, left_then = [], len(waiting.left)
            with suppress(QueueUnavailableError):
                ended = transport.perform(operations.ended(waiting.left))
            if not ended:
                raise
    waiting.finish()


def _listen(
    transport: Transport,
    operations: Operations,
    waiting: Waiting,
    taken: Callable[[Iterable[str]], Iterator[Job]],
) -> Iterator[Job]:
    """The jobs as they end, on one connection at a time. Raises WaitTimeoutError."""
    failures = 0
    while waiting.left:
        waiting.at_most(0)
        try:
            with Notices(transport, operations.tag, waiting.left) as notices:
                while waiting.left:
                    # After the subscription: what ends from here on is heard.
                    yield from taken(transport.perform(operations.ended(waiting.left)))
                    failures = 0
                    look_again = time.monotonic() + LOOK_EVERY
                    while waiting.left and (pause := look_again - time.monotonic()) > 0:
                        yield from taken(notices.wait(waiting.at_most(pause)))
                    notices.subscribe(list(waiting.left)[:1])  # is it alive?
        except QueueUnavailableError:
            failures += 1
            time.sleep(waiting.at_most(pause_before(failures)))


def _read_patiently(transport: Transport, read: Read, job_id: str, waiting: Waiting) -> Job | None:
    """Sits an outage out: the caller may be long in asking for a job that has ended."""
    failures = 0
    while True:
        try:
            return transport.fetch(read(job_id))
        except QueueUnavailableError:
            failures += 1
            time.sleep(waiting.at_most(pause_before(failures)))


def in_order(
    jobs: Generator[Job, None, None],
    job_ids: list[str],
    *,
    ordered: bool,
    return_exceptions: bool,
    shown_as: str | None,
) -> Iterator[Any]:
    """The results of jobs that come as they end, with a progress bar of that name."""
    order = InOrder(job_ids, ordered)
    # Closed here: a traceback that somebody keeps would keep it, and its connection, open.
    with closing(jobs), progress_bar(len(job_ids), shown_as) as step:
        try:
            for job in jobs:
                step(job)
                for ready in order.add(job):
                    yield outcome_of(ready, return_exceptions)
        except JobNotFoundError:  # after all others
            for ready in order.rest():
                yield outcome_of(ready, return_exceptions)
            raise


P = ParamSpec("P")
H = TypeVar("H")


def giving_handles(
    submit_job: Callable[Concatenate[Any, P], Any], handle: Callable[[Any, str], H]
) -> Callable[Concatenate[Any, P], H]:
    """`submit_job` as a method of the same arguments that returns a handle."""

    def submit(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> H:
        return handle(self, self.submit_job(*args, **kwargs))

    return documented_as(submit, submit_job, "JobHandle")


def documented_as(submit: Callable[P, H], submit_job: Callable[..., Any], returns: str) -> Callable[P, H]:
    """Named and signed for help() and editors."""
    submit.__name__, submit.__qualname__ = "submit", submit_job.__qualname__.replace("submit_job", "submit")
    submit.__doc__ = "As `submit_job`, with the same arguments; returns a handle on the job."
    signature = inspect.signature(submit_job)
    submit.__signature__ = signature.replace(return_annotation=returns)  # type: ignore[attr-defined]
    return submit


class HandledBy(Protocol):
    def get_job(self, job_id: str) -> Job | None: ...
    def wait_for_result(self, job_id: str, timeout: float | None = None) -> Any: ...
    def cancel_job(self, job_id: str) -> bool: ...


class JobHandle:
    """A submitted job."""

    def __init__(self, queue: HandledBy, job_id: str) -> None:
        self.id = job_id
        self._queue = queue

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    def get(self) -> Job:
        """The job as it is now. Raises JobNotFoundError when it is gone."""
        job = self._queue.get_job(self.id)
        if job is None:
            raise JobNotFoundError(f"there is no such job (any more): job {self.id}")
        return job

    def status(self) -> JobStatus:
        """Raises JobNotFoundError when the job is gone."""
        return self.get().status

    def result(self, timeout: float | None = None) -> Any:
        """See `RedisJobQueue.wait_for_result`."""
        return self._queue.wait_for_result(self.id, timeout)

    def cancel(self) -> bool:
        """See `RedisJobQueue.cancel_job`."""
        return self._queue.cancel_job(self.id)
