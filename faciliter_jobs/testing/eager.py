"""Jobs that run where they are submitted: no server, no worker, the same life."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, cast

from .. import codec, context, validate
from ..base_queue import BaseJobQueue
from ..config import JobConfig
from ..default import using_queue
from ..errors import JobNotFoundError, NotSerialisableError, PayloadTooLargeError, WaitTimeoutError
from ..job import Job, JobSpec, JobStatus
from ..operations import Operations
from ..queue import RedisJobQueue
from ..record import Claimed
from ..scripts import NewJob, Outcome
from ..tasks import JobApp
from ..waiting import result_of
from ..worker import event_loop
from ..worker.executor import Executor, Served
from ..worker.hooks import Hooks
from ..worker.verdict import RetryPolicy, Verdicts
from .drain import Source, handlers_of
from .records import Records

# What code ends itself with, and not its test: it fails the attempt, as in a worker.
_ENDS_OF_ITS_OWN = (Exception, SystemExit, asyncio.CancelledError)


class _Verdicts(Verdicts):
    """Those of a worker, which also notes the errors; what ends a test goes on to the test."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.error_of: dict[str, BaseException] = {}  # by token

    def raised(self, claimed: Claimed, error: BaseException) -> Outcome:
        if not isinstance(error, _ENDS_OF_ITS_OWN):
            raise error
        self.error_of[claimed.token] = error
        return super().raised(claimed, error)

    def completed(self, claimed: Claimed, result: object) -> Outcome:
        try:
            self._codec.pack(result, "result", claimed.job_id)
        except (NotSerialisableError, PayloadTooLargeError) as error:
            self.error_of[claimed.token] = error
        return super().completed(claimed, result)


class EagerQueue(BaseJobQueue):
    """Runs a job within the call that submits it, by the code that runs it in a worker: arguments and
    results go through the codec, errors are kept, retries are made (at once, without their delays).

    sources: applications, JobHandlers, or dicts of job type to function. Jobs of other types wait, as
        without a worker; delayed jobs do until `advance`.
    raise_errors: submit raises what the last attempt of a job has raised, after the job is FAILED; of several
        jobs, the first such error, after all have run.

    KeyboardInterrupt, and what a test runner ends a test with (`pytest.fail()`), leave the call that runs the
    job, which stays PROCESSING.
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
        self._handlers = {handler.get_job_type(): Served(handler, None) for handler in handlers_of(sources)}
        self._verdicts = _Verdicts(self.operations.codec, RetryPolicy(max_retries, 0.0, "fixed"))
        # All that it asks of a queue is its operations; handlers get it by get_job_queue().
        self._executor = Executor(cast(RedisJobQueue, self), self._handlers, self._verdicts)
        self._records = Records(self._now_ms)
        self._running: dict[str, context.Attempt] = {}
        self._ahead_ms = 0

    # --- time -------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Moves this queue's time on, and runs the delayed jobs that are due then, earliest first."""
        self._ahead_ms += validate.milliseconds(seconds, "seconds")
        self._run_all(self._records.ready())

    def _now_ms(self) -> int:
        return int(time.time() * 1000) + self._ahead_ms

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
        new = []
        for job in jobs:
            if job.job_id not in self._records:
                self._records.add(job)
                new.append(job.job_id)
        self._run_all(new)
        return [job.job_id for job in jobs]

    # --- run --------------------------------------------------------------------------------------

    def _run_all(self, job_ids: Iterable[str]) -> None:
        errors = [error for error in map(self._run, job_ids) if error is not None]
        if self.raise_errors and errors:
            raise errors[0]

    def _run(self, job_id: str) -> BaseException | None:
        """Runs the job until it has ended or must wait. Returns what has made it FAILED."""
        error = None
        while self._can_run(job_id):
            error = self._attempt(job_id)
        return error if self._records.status(job_id) is JobStatus.FAILED else None

    def _can_run(self, job_id: str) -> bool:
        if job_id in self._running:  # its handler has made it wait again: whoever runs that runs it again
            return False
        job = self._records.job(job_id) if self._records.is_ready(job_id) else None
        return job is not None and job.job_type in self._handlers

    def _attempt(self, job_id: str) -> BaseException | None:
        claimed = self._records.start(job_id)
        attempt = self._running[job_id] = self._executor.new_attempt(claimed)
        try:
            outcome = self._executor.perform(claimed, attempt)
        finally:
            del self._running[job_id]
        if outcome is not None:
            self._records.end(outcome)
        return self._verdicts.error_of.pop(claimed.token, None)

    # --- read -------------------------------------------------------------------------------------

    def get_job(self, job_id: str) -> Job | None:
        return self._records.job(validate.job_id(job_id))

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
        company = validate.tenant(company_id, "company_id")
        user = validate.tenant(user_id, "user_id")
        wanted = None if status is None else validate.status(status)
        fitting = [
            job
            for job in self._records.newest_first()
            if wanted in (None, job.status)
            and company in (None, job.company_id)
            and user in (None, job.user_id)
        ]
        return fitting[: validate.integer(limit, "limit", 0, validate.MAX_LIMIT)]

    # --- progress and ends ------------------------------------------------------------------------

    def update_job_progress(
        self, job_id: str, progress: float, message: str | None = None, *, reset: bool = False
    ) -> bool:
        job_id, token = validate.job_id(job_id), context.token_for(job_id)
        text = "" if message is None else validate.text(message, "message")
        return self._records.progress(job_id, token, validate.progress(progress), text, reset)

    def complete_job(self, job_id: str, result: Any = None) -> bool:
        job_id, token = validate.job_id(job_id), context.token_for(job_id)
        packed = codec.pack(result, "result", self.config.max_payload_bytes)
        return self._records.complete(job_id, token, packed)

    def fail_job(self, job_id: str, error: str) -> bool:
        job_id, token = validate.job_id(job_id), context.token_for(job_id)
        return self._records.fail(job_id, token, validate.text(error, "error"))

    def cancel_job(self, job_id: str) -> bool:
        return self._cancel(job_id, "cancelled")

    def _cancel(self, job_id: str, reason: str) -> bool:
        reason = validate.text(reason, "reason")
        if not self._records.cancel(validate.job_id(job_id), reason):
            return False
        attempt = self._running.get(job_id)
        if attempt is not None and attempt.token == self._records.token(job_id):
            attempt.cancelled.tell(reason)
        return True

    def retry_job(self, job_id: str) -> bool:
        return self._again(job_id, self._records.retry(validate.job_id(job_id)))

    def _requeue(self, job_id: str, error: str) -> bool:
        text = validate.text(error, "error")
        return self._again(job_id, self._records.requeue(job_id, context.token_for(job_id), text))

    def _again(self, job_id: str, accepted: bool) -> bool:
        if accepted:
            self._run_all([job_id])
        return accepted

    def update_job_status(self, job_id: str, status: JobStatus, error: str | None = None) -> bool:
        wanted = validate.status(status)
        if wanted is JobStatus.COMPLETED:
            return self.complete_job(job_id)
        if wanted is JobStatus.FAILED:
            return self.fail_job(job_id, error or "failed")
        if wanted is JobStatus.CANCELLED:
            return self._cancel(job_id, error or "cancelled")
        now = self._records.status(validate.job_id(job_id))
        if wanted is JobStatus.PENDING and now is JobStatus.PROCESSING:
            return self._requeue(job_id, error or "given up")
        if wanted is JobStatus.PENDING and now is not None and now.is_terminal:
            return self.retry_job(job_id)
        return now is wanted

    def get_pending_job(self) -> Job | None:
        """The job that waits longest because nobody handles its type; the caller ends it."""
        job_id = next(iter(self._records.ready()), None)
        return None if job_id is None else self._records.start(job_id).job()

    # --- the rest of BaseJobQueue -----------------------------------------------------------------

    def connect(self) -> None:
        self.connected = True

    def close(self) -> None:
        self.connected = False

    def health_check(self) -> bool:
        return True

    def cleanup_old_jobs(self, older_than_seconds: float = 86400) -> int:
        age = validate.milliseconds(older_than_seconds, "older_than_seconds")
        return self._records.purge(self._now_ms() - age)


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
