"""The queue on Redis or Valkey: checks the arguments, builds a call, runs it, returns."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from . import codec, context, doctor, keys, scripts, validate
from .base_queue import BaseJobQueue
from .config import JobConfig
from .errors import ConfigError, QueueUnavailableError, SchemaError
from .job import Job, JobSpec, JobStatus
from .record import fields_of, job_from_fields, listed_job
from .scripts import Ending, Problem, Stats
from .transport import Transport

SCHEMA_VERSION = 1

_PAGE = 500  # records in one script call
_CLEANUP_BATCH = 1000
_NEVER_AGAIN = -1  # fail.lua's max_retries for a failure that is final


def _new_op() -> str:
    """Names one call, so that its re-sent copy is recognised."""
    return "op:" + os.urandom(8).hex()


class RedisJobQueue(BaseJobQueue):
    """Safe to share between threads and across fork. Connects on first use, or with `connect()`.

    Every method raises QueueUnavailableError (a ConnectionError) when the server can't be reached,
    and the typed errors of `faciliter_jobs.errors`, naming the argument, for what can't be used.
    """

    def __init__(self, config: JobConfig | None = None) -> None:
        super().__init__(config)
        if self.config.embedded is not None:
            raise ConfigError("embedded://: use create_job_queue(config=...), which starts the server")
        self.tag = keys.tag(self.config.prefix, self.config.shard)
        self.transport = Transport(self.config)
        self._worker = f"{socket.gethostname()}:{os.getpid()}:client-{os.urandom(4).hex()}"

    # --- connection -------------------------------------------------------------------------------

    def connect(self) -> None:
        """Checks that the server answers and that this version can read its data.

        Raises QueueUnavailableError, SchemaError.
        """
        meta = keys.meta(self.tag)
        stored = self.transport.command("HGET", meta, "schema")
        if stored is None:
            self.transport.command("HSETNX", meta, "schema", SCHEMA_VERSION)
            stored = self.transport.command("HGET", meta, "schema")
        if int(stored) > SCHEMA_VERSION:
            raise SchemaError(
                f"{self.config.location} holds data of schema {int(stored)}, this version of "
                f"faciliter-jobs reads up to {SCHEMA_VERSION}: upgrade it"
            )
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
    ) -> str:
        """Adds a job and returns its id.

        ttl: seconds that the record is kept after its last change, and that the job may wait
            before it is CANCELLED (default `JobConfig.default_ttl`).
        job_id: one of your own; a second submit of an id that exists changes nothing.
        delay: seconds before it may start. run_at: the same as a time (aware datetime or Unix time).
        max_retries, retry_delay (seconds): instead of the worker's.
        """
        spec = JobSpec(
            job_type, input_data, company_id, user_id, session_id, metadata, ttl,
            job_id, delay, run_at, max_retries, retry_delay,
        )  # fmt: skip
        job = validate.new_job(spec, self.config)
        self.transport.run(scripts.submit_one(self.tag, job=job))
        return job.job_id

    def submit_jobs(self, jobs: Iterable[JobSpec | Mapping[str, Any]]) -> list[str]:
        """Adds up to 10,000 jobs in one call, all or none; returns their ids in order.

        Each is a `JobSpec`, or a dict with the arguments of `submit_job`.
        """
        specs = [validate.job_spec(job, i) for i, job in enumerate(jobs)]
        if not specs:
            return []
        validate.integer(len(specs), "jobs: their number", 1, validate.MAX_JOBS_PER_CALL)
        new: list[scripts.NewJob] = []
        try:
            for spec in specs:
                new.append(validate.new_job(spec, self.config))
        except Exception as error:
            error.args = (f"jobs[{len(new)}]: {error}",)
            raise
        self.transport.run(scripts.submit(self.tag, jobs=new))
        return [job.job_id for job in new]

    # --- read -------------------------------------------------------------------------------------

    def get_job(self, job_id: str) -> Job | None:
        """The job as it is now, or None when there is none of this id (any more)."""
        flat = self.transport.command("HGETALL", keys.job(self.tag, validate.job_id(job_id)))
        fields = flat if isinstance(flat, dict) else fields_of(flat)
        return job_from_fields(job_id, fields) if fields else None

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
        """The newest jobs that fit all filters, newest first: O(log n + limit)."""
        company = validate.tenant(company_id, "company_id")
        user = validate.tenant(user_id, "user_id")
        statuses = [validate.status(status)] if status is not None else list(JobStatus)
        left = validate.integer(limit, "limit", 0, validate.MAX_LIMIT)
        found: list[Job] = []
        before: int | None = None
        while left > 0:
            page = self.transport.run(
                scripts.list_jobs(
                    self.tag,
                    company=company,
                    user=user,
                    before_seq=before,
                    limit=min(left, _PAGE),
                    statuses=[s.value for s in statuses],
                )
            )
            jobs = (listed_job(job_id, fields) for job_id, fields in page if fields)
            found.extend(job for job in jobs if job is not None)
            left -= len(page)
            if len(page) < _PAGE:
                break
            before = int(page[-1][1][b"seq"])
        return found

    def stats(self, limit: int = 100) -> Stats:
        """Counts by status, and up to `limit` waiting types and live workers."""
        return self.transport.run(scripts.stats(self.tag, limit=limit))

    def doctor(self) -> list[Problem]:
        """Everything that breaks the queue's invariant, found in bounded steps; [] when sound.

        Each step looks at its jobs in one instant, so a live queue gives no false alarm.
        """
        return doctor.examine(self.transport, self.tag)

    # --- progress and ends ------------------------------------------------------------------------

    def update_job_progress(
        self, job_id: str, progress: float, message: str | None = None, *, reset: bool = False
    ) -> bool:
        """Sets the progress, clamped to 0..100; it never falls within an attempt unless `reset`.

        False when the job is finished or gone, or when this attempt isn't the current one.
        """
        call = scripts.progress(
            self.tag,
            job_id=validate.job_id(job_id),
            token=context.token_for(job_id),
            progress=validate.progress(progress),
            message="" if message is None else validate.text(message, "message"),
            backwards=reset,
        )
        return self.transport.run(call).accepted

    def complete(self, job_id: str, result: Any = None) -> Ending:
        """`complete_job`, saying what happened, or why nothing did."""
        call = scripts.complete(
            self.tag,
            job_id=validate.job_id(job_id),
            token=context.token_for(job_id),
            op=context.token_for(job_id) or _new_op(),
            result=codec.pack(result, "result", self.config.max_payload_bytes),
        )
        return self.transport.run(call)

    def complete_job(self, job_id: str, result: dict[str, Any] | None = None) -> bool:
        """COMPLETED, from PENDING or PROCESSING. False when it is finished already, gone, or when
        this is an attempt that has lost the job (`complete` says which)."""
        return self.complete(job_id, result).accepted

    def fail(self, job_id: str, error: str, *, retry_delay: float | None = None) -> Ending:
        """`fail_job`, saying what happened. With `retry_delay` (seconds) it is tried again after
        that, while its own `max_retries` (default 3) lasts; without, the failure is final."""
        call = scripts.fail(
            self.tag,
            job_id=validate.job_id(job_id),
            token=context.token_for(job_id),
            op=context.token_for(job_id) or _new_op(),
            error=validate.text(error, "error"),
            traceback="",
            retry_delay_ms=0 if retry_delay is None else validate.milliseconds(retry_delay, "retry_delay"),
            max_retries=_NEVER_AGAIN if retry_delay is None else 3,
        )
        return self.transport.run(call)

    def fail_job(self, job_id: str, error: str) -> bool:
        """FAILED for good, from PENDING or PROCESSING; False as in `complete_job`."""
        return self.fail(job_id, error).accepted

    def cancel(self, job_id: str, reason: str = "cancelled") -> Ending:
        """`cancel_job`, saying what happened."""
        call = scripts.cancel(
            self.tag,
            job_id=validate.job_id(job_id),
            op=_new_op(),
            reason=validate.text(reason, "reason"),
        )
        return self.transport.run(call)

    def cancel_job(self, job_id: str) -> bool:
        """CANCELLED, from PENDING or PROCESSING (what its attempt does later is refused)."""
        return self.cancel(job_id).accepted

    def retry(self, job_id: str) -> Ending:
        """`retry_job`, saying what happened."""
        call = scripts.retry(self.tag, job_id=validate.job_id(job_id), op=_new_op())
        return self.transport.run(call)

    def retry_job(self, job_id: str) -> bool:
        """PENDING again, from FAILED or CANCELLED, with all its retries."""
        return self.retry(job_id).accepted

    def update_job_status(self, job_id: str, status: JobStatus, error: str | None = None) -> bool:
        """Moves the job to a status as the call of that name would; False when that is refused.

        PENDING: a FAILED or CANCELLED job is retried, a PROCESSING one given up for another attempt.
        PROCESSING: only says whether it is so; a job becomes PROCESSING by a claim.
        """
        wanted = validate.status(status)
        if wanted is JobStatus.COMPLETED:
            return self.complete_job(job_id)
        if wanted is JobStatus.FAILED:
            return self.fail_job(job_id, error or "failed")
        if wanted is JobStatus.CANCELLED:
            return self.cancel(job_id, error or "cancelled").accepted
        job = self.get_job(job_id)
        if wanted is JobStatus.PENDING and job is not None:
            if job.status is JobStatus.PROCESSING:
                return self.fail(job_id, error or "given up", retry_delay=0) is Ending.RETRYING
            if job.status.is_terminal:
                return self.retry_job(job_id)
        return job is not None and job.status is wanted

    # --- work without a JobWorker -----------------------------------------------------------------

    def get_pending_job(self, job_types: Iterable[str] = (), *, lease: float = 3600.0) -> Job | None:
        """Claims the next job (of any type, or of these) for the caller, who ends it by
        `complete_job` or `fail_job` within `lease` seconds; else it is given to someone else."""
        call = scripts.claim(
            self.tag,
            worker=self._worker,
            lease_ms=validate.milliseconds(lease, "lease", low=0.1),
            want=1,
            types=[validate.job_type(t, "job_types") for t in job_types],
        )
        claimed = self.transport.run(call)
        return claimed[0].job() if claimed else None

    # --- upkeep (workers do it in passing) --------------------------------------------------------

    def cleanup_old_jobs(self, older_than_seconds: float = 86400) -> int:
        """Deletes jobs that finished at least so long ago, and those whose ttl has passed."""
        age = validate.milliseconds(older_than_seconds, "older_than_seconds")
        deleted = 0
        while True:
            done = self.transport.run(scripts.cleanup(self.tag, limit=_CLEANUP_BATCH, finished_before_ms=age))
            deleted += done.aged + done.purged
            if done.aged < _CLEANUP_BATCH and done.purged + done.expired == 0:
                return deleted
