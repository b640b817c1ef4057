"""The queue on Redis or Valkey. What its calls check, send and return is in operations.py."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import results
from .base_queue import BaseJobQueue
from .config import JobConfig
from .errors import ConfigError, QueueUnavailableError
from .job import Job, JobSpec, JobStatus
from .operations import Operations
from .progress_bar import need_rich
from .results import JobHandle
from .scripts import Ending, Problem, Stats
from .transport import Transport
from .waiting import Waiting, result_of

if TYPE_CHECKING:
    from .tenant import CompanyQueue


class RedisJobQueue(BaseJobQueue):
    """Safe to share between threads and across fork. Connects on first use, or with `connect()`.

    Every method raises QueueUnavailableError (a ConnectionError) when the server can't be reached,
    and the typed errors of `faciliter_jobs.errors`, naming the argument, for what can't be used.
    """

    def __init__(self, config: JobConfig | None = None) -> None:
        super().__init__(config)
        if self.config.embedded is not None:
            raise ConfigError("embedded://: use create_job_queue(config=...), which starts the server")
        self.operations = Operations(self.config)
        self.tag = self.operations.tag
        self.transport = Transport(self.config)

    def for_company(self, company_id: str) -> CompanyQueue:
        """A handle through which only this company's jobs can be seen and changed."""
        from .tenant import CompanyQueue

        return CompanyQueue(self, company_id)

    # --- connection -------------------------------------------------------------------------------

    def connect(self) -> None:
        """Checks that the server answers and that this version can read its data.

        Raises QueueUnavailableError, SchemaError.
        """
        self.transport.perform(self.operations.connect())
        self.connected = True

    def close(self) -> None:
        """Closes the connections; a later call opens new ones."""
        self.transport.close()
        self.connected = False

    def __enter__(self) -> RedisJobQueue:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def health_check(self) -> bool:
        """Whether the server runs our scripts now (a PING would not show a lost script cache)."""
        try:
            self.stats(limit=1)
        except QueueUnavailableError:
            return False
        return True

    # --- submit -----------------------------------------------------------------------------------

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
        """Adds a job and returns its id.

        ttl: seconds that the record is kept after its last change, and that the job may wait
            before it is CANCELLED (default `JobConfig.default_ttl`).
        job_id: one of your own; a second submit of an id that exists changes nothing.
        delay: seconds before it may start. run_at: the same as a time (aware datetime or Unix time).
        max_retries, retry_delay (seconds): instead of the worker's.
        timeout: seconds that an attempt may take, instead of the type's or the worker's.
        """
        spec = JobSpec(
            job_type, input_data, company_id, user_id, session_id, metadata, ttl,
            job_id, delay, run_at, max_retries, retry_delay, timeout,
        )  # fmt: skip
        job_id, call = self.operations.submit(spec)
        self.transport.run(call)
        return job_id

    def submit_jobs(self, jobs: Iterable[JobSpec | Mapping[str, Any]]) -> list[str]:
        """Adds up to 10,000 jobs in one call, all or none; returns their ids in order.

        Each is a `JobSpec`, or a dict with the arguments of `submit_job`.
        """
        return self.transport.perform(self.operations.submit_many(jobs))

    submit = results.giving_handles(submit_job, JobHandle)

    # --- results ----------------------------------------------------------------------------------

    def wait_for_result(self, job_id: str, timeout: float | None = None) -> Any:
        """The job's result, as soon as it has one, without polling.

        timeout: seconds; None: for as long as it takes, through outages of the server, too.
        Raises JobFailedError (with `error` and `traceback`), JobWasCancelledError, JobNotFoundError,
        WaitTimeoutError (a TimeoutError).
        """
        return result_of(self.wait_for_job(job_id, timeout))

    def wait_for_job(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it has ended, however it did. Raises JobNotFoundError, WaitTimeoutError."""
        with closing(self._as_they_end([job_id], timeout, self.operations.get_job)) as jobs:
            return next(jobs)

    def as_completed(self, job_ids: Iterable[str], timeout: float | None = None) -> Iterator[Job]:
        """Each of the jobs as it ends, however it does; each once. On one connection.

        Raises WaitTimeoutError when not all have ended `timeout` seconds from now, and JobNotFoundError,
        after all others, when some don't exist (any more).
        """
        return self._as_they_end(job_ids, timeout, self.operations.listed_job)

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
        """Submits a job for each input, any number, and gives their results in the order of the inputs.

        timeout: seconds from the submission until all must have ended.
        progress: shows a bar, in a terminal or a notebook (the `progress` extra).
        ordered: False gives the results as the jobs end.
        return_exceptions: gives JobFailedError and JobWasCancelledError among the results instead of raising
            the first.
        fields: further arguments of `submit_job`, the same for each job.
        """
        if progress:
            need_rich()
        ids = self.transport.perform(self.operations.submit_inputs(job_type, inputs, fields))
        jobs = self._as_they_end(ids, timeout, self.operations.get_job)
        shown_as = job_type if progress else None
        return results.in_order(
            jobs, ids, ordered=ordered, return_exceptions=return_exceptions, shown_as=shown_as
        )

    def _as_they_end(
        self, job_ids: Iterable[str], timeout: float | None, read: results.Read
    ) -> Generator[Job, None, None]:
        waiting = Waiting(job_ids, timeout)
        return results.jobs_as_they_end(self.transport, self.operations, waiting, read)

    # --- read -------------------------------------------------------------------------------------

    def get_job(self, job_id: str) -> Job | None:
        """The job as it is now, or None when there is none of this id (any more)."""
        return self.transport.fetch(self.operations.get_job(job_id))

    def get_job_result(self, job_id: str) -> Any:
        """The result when the job is COMPLETED, else None."""
        job = self.get_job(job_id)
        return job.result if job is not None and job.status is JobStatus.COMPLETED else None

    def list_jobs(
        self,
        status: JobStatus | None = None,
        company_id: str | None = None,
        user_id: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """The newest jobs that fit all filters, newest first: O(log n + limit).

        In several calls when they are many, or large: none has the server read more than about 4 MB.
        """
        return self.transport.perform(self.operations.list_jobs(status, company_id, user_id, limit))

    def stats(self, limit: int = 100) -> Stats:
        """Counts by status, and up to `limit` (1 to 10,000) waiting types and live workers.

        `unserved` is known only when the live workers are no more than `limit`.
        """
        return self.transport.run(self.operations.stats(limit))

    def doctor(self, repair: bool = False) -> list[Problem]:
        """Everything that breaks the queue's invariant, found in bounded steps; [] when sound.

        Each step looks at its jobs in one instant, so a live queue gives no false alarm. With
        `repair` what is found is mended in that same instant, and `Problem.mended` says how; it is
        "" for what is still wrong. docs/doctor.md lists the findings and their mends.
        """
        return self.transport.perform(self.operations.doctor(repair))

    # --- progress and ends ------------------------------------------------------------------------

    def update_job_progress(
        self, job_id: str, progress: float, message: str | None = None, *, reset: bool = False
    ) -> bool:
        """Sets the progress, clamped to 0..100; it never falls within an attempt unless `reset`.

        False when the job is finished or gone, or when this attempt isn't the current one.
        """
        call = self.operations.progress(job_id, progress, message, reset)
        return self.transport.run(call).accepted

    def complete(self, job_id: str, result: Any = None) -> Ending:
        """`complete_job`, saying what happened, or why nothing did."""
        return self.transport.run(self.operations.complete(job_id, result))

    def complete_job(self, job_id: str, result: dict[str, Any] | None = None) -> bool:
        """COMPLETED, from PENDING or PROCESSING. False when it is finished already, gone, or when
        this is an attempt that has lost the job (`complete` says which)."""
        return self.complete(job_id, result).accepted

    def fail(self, job_id: str, error: str, *, retry_delay: float | None = None) -> Ending:
        """`fail_job`, saying what happened. With `retry_delay` (seconds) it is tried again after
        that, while its own `max_retries` (default 3) lasts; without, the failure is final."""
        return self.transport.run(self.operations.fail(job_id, error, retry_delay))

    def fail_job(self, job_id: str, error: str) -> bool:
        """FAILED for good, from PENDING or PROCESSING; False as in `complete_job`."""
        return self.fail(job_id, error).accepted

    def cancel(self, job_id: str, reason: str = "cancelled") -> Ending:
        """`cancel_job`, saying what happened."""
        return self.transport.run(self.operations.cancel(job_id, reason))

    def cancel_job(self, job_id: str) -> bool:
        """CANCELLED, from PENDING or PROCESSING (what its attempt does later is refused)."""
        return self.cancel(job_id).accepted

    def retry(self, job_id: str) -> Ending:
        """`retry_job`, saying what happened."""
        return self.transport.run(self.operations.retry(job_id))

    def retry_job(self, job_id: str) -> bool:
        """PENDING again, from FAILED or CANCELLED, with all its retries."""
        return self.retry(job_id).accepted

    def update_job_status(self, job_id: str, status: JobStatus, error: str | None = None) -> bool:
        """Moves the job to a status as the call of that name would; False when that is refused.

        PENDING: a FAILED or CANCELLED job is retried; a PROCESSING one runs again, whatever retries it has
            left and without using one up, and what its present attempt does later is refused.
        PROCESSING: only says whether it is so; a job becomes PROCESSING by a claim.
        """
        return self.transport.perform(self.operations.update_status(job_id, status, error))

    # --- work without a JobWorker -----------------------------------------------------------------

    def get_pending_job(self, job_types: Iterable[str] = (), *, lease: float = 3600.0) -> Job | None:
        """Claims the next job (of any type, or of these) for the caller, who ends it by
        `complete_job` or `fail_job` within `lease` seconds; else it is given to someone else. Where nothing
        waits, it does a worker's upkeep first: jobs that are due or whose lease has passed wait again.

        Raises MissingKeyError, and gives the job back, when it is encrypted with an unknown key;
        UndecodableError, with the job's id, when the job can't be read: then it is FAILED with the reason.
        """
        claimed = self.transport.perform(self.operations.claim_one(job_types, lease))
        return self.transport.perform(self.operations.begin(claimed))

    # --- upkeep (workers do it in passing) --------------------------------------------------------

    def cleanup_old_jobs(self, older_than_seconds: float = 86400) -> int:
        """Deletes jobs that finished at least so long ago, and those whose ttl has passed."""
        return self.transport.perform(self.operations.cleanup(older_than_seconds))
