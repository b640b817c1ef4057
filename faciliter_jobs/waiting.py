"""What waiting for jobs to end means, without I/O: who is still waited for, until when, and what a job
that has ended gives."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from . import validate
from .errors import JobEndedError, JobFailedError, JobNotFoundError, JobWasCancelledError, WaitTimeoutError
from .job import Job, JobStatus

# Ends are announced; how the jobs stand is looked up besides, now and then, in case that a message is lost.
LOOK_EVERY = 20.0
_SHOWN = 3


class Waiting:
    """The jobs that somebody waits for."""

    def __init__(self, job_ids: Iterable[str], timeout: float | None) -> None:
        ids = validate.several(job_ids, "job_ids")
        self.left = dict.fromkeys(validate.job_id(job_id) for job_id in ids)
        self._missing = dict.fromkeys(self.left, False)
        self._timeout = None if timeout is None else validate.seconds(timeout, "timeout")
        self._deadline = None if self._timeout is None else time.monotonic() + self._timeout

    def take(self, job_id: str, job: Job | None) -> bool:
        """Whether the job has ended, and was waited for until now. One that was retried meanwhile hasn't."""
        if job_id not in self.left or (job is not None and not job.status.is_terminal):
            return False
        del self.left[job_id]
        if job is None:
            self._missing[job_id] = True
        return job is not None

    def remaining(self) -> float | None:
        """Seconds; None: for ever. Raises WaitTimeoutError when no time is left."""
        if self._deadline is None:
            return None
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise WaitTimeoutError(f"not ended within {self._timeout:g} s: {_named(self.left)}")
        return remaining

    def at_most(self, seconds: float) -> float:
        """`seconds`, or less when less is left. Raises WaitTimeoutError when no time is."""
        remaining = self.remaining()
        return seconds if remaining is None else min(seconds, remaining)

    def finish(self) -> None:
        """Raises JobNotFoundError when some of the jobs don't exist (any more)."""
        if missing := [job_id for job_id, is_missing in self._missing.items() if is_missing]:
            raise JobNotFoundError(f"there is no such job (any more): {_named(missing)}")


def _named(job_ids: Iterable[str]) -> str:
    ids = list(job_ids)
    if len(ids) == 1:
        return f"job {ids[0]}"
    more = ", ..." if len(ids) > _SHOWN else ""
    return f"{len(ids):,} jobs ({', '.join(ids[:_SHOWN])}{more})"


def result_of(job: Job) -> Any:
    """What the job returned. Raises JobFailedError, JobWasCancelledError."""
    if job.status is JobStatus.FAILED:
        raise JobFailedError(job.job_id, job.error, job.traceback)
    if job.status is JobStatus.CANCELLED:
        raise JobWasCancelledError(job.job_id, job.error)
    return job.result


def outcome_of(job: Job, return_exceptions: bool) -> Any:
    """The job's result; its error is raised, or returned."""
    try:
        return result_of(job)
    except JobEndedError as error:
        if return_exceptions:
            return error
        raise


class InOrder:
    """Gives jobs that end in any order out in that of their ids (or, if `ordered` isn't, as they come)."""

    def __init__(self, job_ids: Iterable[str], ordered: bool) -> None:
        self._ids = list(job_ids)
        self._ordered = ordered
        self._next = 0
        self._early: dict[str, Job] = {}

    def add(self, job: Job) -> Iterator[Job]:
        if not self._ordered:
            yield job
            return
        self._early[job.job_id] = job
        while self._next < len(self._ids) and self._ids[self._next] in self._early:
            yield self._early.pop(self._ids[self._next])
            self._next += 1

    def rest(self) -> Iterator[Job]:
        """Those that came early, when no more will come: the ones before them are gone."""
        for job_id in self._ids[self._next :]:
            if job_id in self._early:
                yield self._early.pop(job_id)
