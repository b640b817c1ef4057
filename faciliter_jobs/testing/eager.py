"""Jobs that run where they are submitted: no server, no worker, the same life."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, cast

from .. import codec, context, validate
from ..base_queue import BaseJobQueue
from ..config import JobConfig
from ..errors import JobNotFoundError, WaitTimeoutError
from ..job import Job, JobSpec, JobStatus
from ..middleware import Middleware, with_middleware
from ..operations import Operations
from ..queue import RedisJobQueue
from ..record import Claimed, Fields, job_from_fields
from ..scripts import NewJob, Outcome
from ..tasks import JobApp
from ..waiting import result_of
from ..worker import event_loop
from ..worker.executor import Executor, Served
from ..worker.hooks import Hooks
from ..worker.verdict import RetryPolicy, Verdicts
from .drain import Source, handlers_of
from .server import using_queue

_LIVE = (JobStatus.PENDING, JobStatus.PROCESSING)


class _LastError(Middleware):
    def __init__(self) -> None:
        self.error_of: dict[str, BaseException] = {}

    def error(self, job: Job, error: BaseException) -> None:
        self.error_of[job.job_id] = error


class EagerQueue(BaseJobQueue):
    """Runs a job within the call that submits it, by the code that runs it in a worker: arguments and
    results go through the codec, errors are kept, retries are made (at once, without their delays).

    sources: applications, JobHandlers, or dicts of job type to function. Jobs of other types wait, as
        without a worker; delayed jobs do until `advance`.
    raise_errors: submit raises what the last attempt of a job has raised, after the job is FAILED.
    """

    def __init__(
        self,
        *sources: Source,
        max_retries: int = 3,
        raise_errors: bool = False,
        config: JobConfig | None = None,
    ) -> None:
        super().__init__(config or JobConfig())
        self.operations = Operations(JobConfig(max_payload_bytes=self.config.max_payload_bytes))
        self.connected = True
        self.raise_errors = raise_errors
        self._errors = _LastError()
        self._handlers = {
            handler.get_job_type(): Served(with_middleware(handler, self._errors), None)
            for handler in handlers_of(sources)
        }
        verdicts = Verdicts(self.operations.codec, RetryPolicy(max_retries, 0.0, "fixed"))
        # All that it asks of a queue is its operations; handlers get it by get_job_queue().
        self._executor = Executor(cast(RedisJobQueue, self), self._handlers, verdicts)
        self._records: dict[str, Fields] = {}  # in order of submission
        self._running: dict[str, context.Attempt] = {}
        self._ahead_ms = 0

    # --- time -------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Moves this queue's time on, and runs the delayed jobs that are due then, earliest first."""
        self._ahead_ms += validate.milliseconds(seconds, "seconds")
        due = [i for i, record in self._records.items() if b"due_at" in record and self._is_ready(record)]
        for job_id in sorted(due, key=lambda i: int(self._records[i][b"due_at"])):
            self._run(job_id)

    def _now_ms(self) -> int:
        return int(time.time() * 1000) + self._ahead_ms

    def _is_ready(self, record: Fields) -> bool:
        return record[b"status"] == b"pending" and int(record.get(b"due_at", 0)) <= self._now_ms()

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
        """See `RedisJobQueue.submit_job`. A timeout is kept, but ends nothing."""
        spec = JobSpec(
            job_type, input_data, company_id, user_id, session_id, metadata, ttl,
            job_id, delay, run_at, max_retries, retry_delay, timeout,
        )  # fmt: skip
        return self._submit([validate.new_job(spec, self.config)])[0]

    def submit_jobs(self, jobs: Iterable[JobSpec | Mapping[str, Any]]) -> list[str]:
        """See `RedisJobQueue.submit_jobs`: none is run unless all can be submitted."""
        specs = [validate.job_spec(job, position) for position, job in enumerate(jobs)]
        return self._submit([validate.new_job(spec, self.config) for spec in specs])

    def _submit(self, jobs: list[NewJob]) -> list[str]:
        new = [job for job in jobs if job.job_id not in self._records]
        self._records.update((job.job_id, self._record(job)) for job in new)
        for job in new:
            self._run(job.job_id)
        return [job.job_id for job in jobs]

    def _record(self, job: NewJob) -> Fields:
        now = self._now_ms()
        due = now + job.delay_ms if job.delay_ms is not None else job.run_at_ms
        values: dict[bytes, Any] = {
            b"status": "pending", b"type": job.job_type, b"at": now, b"ttl": job.ttl_ms,
            b"co": job.company, b"u": job.user, b"session": job.session,
            b"in": job.input, b"metadata": job.metadata, b"due_at": due, b"timeout_ms": job.timeout_ms,
            b"max_retries": job.max_retries, b"retry_delay_ms": job.retry_delay_ms,
        }  # fmt: skip
        return {name: _bytes(value) for name, value in values.items() if value is not None}

    # --- run --------------------------------------------------------------------------------------

    def _run(self, job_id: str) -> None:
        record = self._records[job_id]
        while self._is_ready(record) and record[b"type"].decode() in self._handlers:
            claimed = self._start(job_id)
            attempt = self._running[job_id] = self._executor.new_attempt(claimed)
            try:
                outcome = self._executor.perform(claimed, attempt)
            finally:
                del self._running[job_id]
            # It may have ended by complete_job, fail_job or cancel_job meanwhile.
            if outcome is not None and record[b"status"] == b"processing":
                self._end(job_id, outcome)
        error = self._errors.error_of.pop(job_id, None)
        if self.raise_errors and error is not None and record[b"status"] == b"failed":
            raise error

    def _start(self, job_id: str) -> Claimed:
        record = self._records[job_id]
        attempt = int(record.get(b"attempt", 0)) + 1
        for name in (b"progress", b"progress_message"):
            record.pop(name, None)
        self._write(job_id, status="processing", attempt=attempt, started_at=self._now_ms(), worker="eager")
        return Claimed(job_id, f"{job_id}.{attempt}", dict(record))

    def _end(self, job_id: str, outcome: Outcome) -> None:
        record = self._records[job_id]
        if outcome.ending == "completed":
            self._write(job_id, status="completed", result=outcome.payload)
            return
        retries = int(record.get(b"retries", 0))
        if outcome.traceback:
            self._write(job_id, traceback=outcome.traceback)
        if outcome.max_retries >= 0 and retries < int(record.get(b"max_retries", outcome.max_retries)):
            self._write(job_id, status="pending", retries=retries + 1, last_error=outcome.payload)
        else:
            self._write(job_id, status="failed", error=outcome.payload)

    def _write(self, job_id: str, **values: Any) -> None:
        record = self._records[job_id]
        record.update((name.encode(), _bytes(value)) for name, value in values.items())
        record[b"updated_at"] = _bytes(self._now_ms())

    # --- read -------------------------------------------------------------------------------------

    def get_job(self, job_id: str) -> Job | None:
        record = self._records.get(validate.job_id(job_id))
        return None if record is None else job_from_fields(job_id, record)

    def get_job_result(self, job_id: str) -> Any:
        job = self.get_job(job_id)
        return job.result if job is not None and job.status is JobStatus.COMPLETED else None

    def wait_for_job(self, job_id: str, timeout: float | None = None) -> Job:
        """Raises WaitTimeoutError at once for a job that hasn't ended: nothing else would end it."""
        job = self.get_job(job_id)
        if job is None:
            raise JobNotFoundError(f"there is no such job (any more): job {job_id}")
        if not job.status.is_terminal:
            raise WaitTimeoutError(f"not ended, and run by nobody: job {job_id}")
        return job

    def wait_for_result(self, job_id: str, timeout: float | None = None) -> Any:
        return result_of(self.wait_for_job(job_id, timeout))

    def list_jobs(
        self,
        status: JobStatus | None = None,
        company_id: str | None = None,
        user_id: str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        wanted = None if status is None else validate.status(status)
        found = [job_from_fields(job_id, record) for job_id, record in reversed(self._records.items())]
        fitting = [
            job
            for job in found
            if wanted in (None, job.status)
            and company_id in (None, job.company_id)
            and user_id in (None, job.user_id)
        ]
        return fitting[: validate.integer(limit, "limit", 0, validate.MAX_LIMIT)]

    # --- progress and ends ------------------------------------------------------------------------

    def _is(self, job_id: str, *statuses: JobStatus) -> bool:
        record = self._records.get(validate.job_id(job_id))
        return record is not None and JobStatus(record[b"status"].decode()) in statuses

    def update_job_progress(self, job_id: str, progress: float, message: str | None = None) -> bool:
        reached = validate.progress(progress)
        text = None if message is None else validate.text(message, "message")
        if not self._is(job_id, *_LIVE):
            return False
        reached = max(reached, int(self._records[job_id].get(b"progress", 0)))
        self._write(job_id, progress=reached, **({} if text is None else {"progress_message": text}))
        return True

    def complete_job(self, job_id: str, result: Any = None) -> bool:
        packed = codec.pack(result, "result", self.config.max_payload_bytes)
        if not self._is(job_id, *_LIVE):
            return False
        self._write(job_id, status="completed", result=packed)
        return True

    def fail_job(self, job_id: str, error: str) -> bool:
        text = validate.text(error, "error")
        if not self._is(job_id, *_LIVE):
            return False
        self._write(job_id, status="failed", error=text)
        return True

    def cancel_job(self, job_id: str) -> bool:
        return self._cancel(job_id, "cancelled")

    def _cancel(self, job_id: str, reason: str) -> bool:
        if not self._is(job_id, *_LIVE):
            return False
        self._write(job_id, status="cancelled", error=reason)
        if job_id in self._running:
            self._running[job_id].cancelled.tell(reason)
        return True

    def retry_job(self, job_id: str) -> bool:
        if not self._is(job_id, JobStatus.FAILED, JobStatus.CANCELLED):
            return False
        for name in (b"retries", b"error", b"due_at"):
            self._records[job_id].pop(name, None)
        self._write(job_id, status="pending")
        self._run(job_id)
        return True

    def update_job_status(self, job_id: str, status: JobStatus, error: str | None = None) -> bool:
        wanted = validate.status(status)
        if wanted is JobStatus.COMPLETED:
            return self.complete_job(job_id)
        if wanted is JobStatus.FAILED:
            return self.fail_job(job_id, error or "failed")
        if wanted is JobStatus.CANCELLED:
            return self._cancel(job_id, error or "cancelled")
        if wanted is JobStatus.PENDING and self._is(job_id, JobStatus.FAILED, JobStatus.CANCELLED):
            return self.retry_job(job_id)
        return self._is(job_id, wanted)

    def get_pending_job(self) -> Job | None:
        """The oldest job that waits because nobody handles its type; the caller ends it."""
        for job_id, record in self._records.items():
            if self._is_ready(record):
                return self._start(job_id).job()
        return None

    # --- the rest of BaseJobQueue -----------------------------------------------------------------

    def connect(self) -> None:
        self.connected = True

    def close(self) -> None:
        self.connected = False

    def health_check(self) -> bool:
        return True

    def cleanup_old_jobs(self, older_than_seconds: float = 86400) -> int:
        latest = self._now_ms() - validate.milliseconds(older_than_seconds, "older_than_seconds")
        old = [
            job_id
            for job_id, record in self._records.items()
            if not self._is(job_id, *_LIVE) and int(record[b"updated_at"]) <= latest
        ]
        for job_id in old:
            del self._records[job_id]
        return len(old)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@contextlib.contextmanager
def eager(*sources: Source, max_retries: int = 3, raise_errors: bool = False) -> Iterator[EagerQueue]:
    """Within it jobs run where they are submitted: by tasks of these applications, and by the functions
    that use the default queue. Startup functions run before, shutdown functions after. The arguments are
    those of `EagerQueue`."""
    queue = EagerQueue(*sources, max_retries=max_retries, raise_errors=raise_errors)
    hooks = Hooks()
    with contextlib.ExitStack() as stack:
        stack.enter_context(using_queue(queue))
        for source in sources:
            if isinstance(source, JobApp):
                stack.enter_context(source.using_queue(queue))
                hooks.startup += source.startup_hooks()
                hooks.shutdown += source.shutdown_hooks()
        hooks.started(event_loop.run)
        stack.callback(partial(hooks.ended, event_loop.run))
        yield queue
