"""What a queue can be asked, without I/O: arguments are checked and packed, calls built, replies taken
together. `RedisJobQueue` and `AsyncJobQueue` run the same operations, so neither can do what the other
doesn't.

An operation of one call returns that call; one of several is a generator that yields each call and
is sent its reply (`Steps`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from . import codec, context, doctor, keys, scripts, validate
from .config import JobConfig
from .encryption import Cipher
from .errors import (
    AccessDeniedError,
    InvalidArgumentError,
    MissingKeyError,
    QueueFullError,
    SchemaError,
    UndecodableError,
)
from .job import Job, JobSpec, JobStatus
from .record import Claimed, Fields, fields_of, listed_job, read_job
from .scripts import Call, Command, Ending, NewJob, Problem, Stats, Steps

# 2, 4: another order of the bands in the indexes; 3: lanes list what waits for a company; 5: they have the
# newest first, and users' indexes don't tell what runs
SCHEMA_VERSION = 5

_TENDED = 100  # due, lost and old jobs each, when there is nothing to claim
_PAGE = 500  # records in one script call, at most
_CLEANUP_BATCH = 1000
_SUBMIT_BATCH = 1000
_ANNOUNCED_MS = 60_000  # three times waiting.LOOK_EVERY
_NEVER_AGAIN = -1  # fail.lua's max_retries for a failure that is final


def _new_op() -> str:
    """Names one call, so that its re-sent copy is recognised."""
    return "op:" + os.urandom(8).hex()


class Operations:
    """The operations on one queue, for one client."""

    company = ""  # whose jobs only; '' = anyone's (tenant.py sets it)

    def __init__(self, config: JobConfig) -> None:
        self.config = config
        self.codec = codec.Codec(config.max_payload_bytes, config.encryption_keys)
        self.tag = keys.tag(config.prefix, config.shard)
        self.worker = f"{socket.gethostname()}:{os.getpid()}:client-{os.urandom(4).hex()}"

    def connect(self) -> Steps[None]:
        meta = keys.meta(self.tag)
        stored = yield Command(("HGET", meta, "schema"))
        if stored is None:
            try:
                yield Command(("HSETNX", meta, "schema", SCHEMA_VERSION))
            except (AccessDeniedError, QueueFullError):
                return  # a reader, of a queue that nobody has used yet; or a worker, which will make room
            stored = yield Command(("HGET", meta, "schema"))
        schema = int(stored)
        if schema != SCHEMA_VERSION:
            what_to_do = "use another prefix, and let the version that wrote them finish the jobs of this one"
            if schema > SCHEMA_VERSION:
                what_to_do = "upgrade it"
            raise SchemaError(
                f"{self.config.location} holds data of schema {schema} under the prefix "
                f"{self.config.prefix!r}, this version of faciliter-jobs reads {SCHEMA_VERSION}: {what_to_do}"
            )

    # --- submit -----------------------------------------------------------------------------------

    def submit(self, spec: JobSpec) -> tuple[str, Call[int]]:
        """The job's id, and the call that adds it."""
        job = self._new_job(spec)
        return job.job_id, scripts.submit_one(self.tag, job=job)

    def submit_many(self, jobs: Iterable[JobSpec | Mapping[str, Any]]) -> Steps[list[str]]:
        specs = [validate.job_spec(job, i) for i, job in enumerate(jobs)]
        if not specs:
            return []
        validate.integer(len(specs), "jobs: their number", 1, validate.MAX_JOBS_PER_CALL)
        new = self._new_jobs(specs, "jobs")
        yield scripts.submit(self.tag, jobs=new)
        return [job.job_id for job in new]

    def submit_inputs(
        self, job_type: str, inputs: Iterable[dict[str, Any]], fields: Mapping[str, Any]
    ) -> Steps[list[str]]:
        """A job of the type for each input, any number; `fields` are the further arguments of each."""
        if "job_id" in fields:
            raise InvalidArgumentError("job_id: each job needs one of its own")
        values = ({**fields, "job_type": job_type, "input_data": data} for data in inputs)
        new = self._new_jobs([validate.job_spec(value, i) for i, value in enumerate(values)], "inputs")
        for first in range(0, len(new), _SUBMIT_BATCH):
            yield scripts.submit(self.tag, jobs=new[first : first + _SUBMIT_BATCH])
        return [job.job_id for job in new]

    def _new_jobs(self, specs: list[JobSpec], name: str) -> list[scripts.NewJob]:
        new: list[scripts.NewJob] = []
        new_id = validate.new_job_ids(len(specs)).__next__
        try:
            for spec in specs:
                new.append(self._new_job(spec, new_id))
        except Exception as error:
            error.args = (f"{name}[{len(new)}]: {error}",)
            raise
        return new

    def _new_job(self, spec: JobSpec, new_id: Callable[[], str] | None = None) -> NewJob:
        job = validate.new_job(spec, self.config, new_id)
        cipher = self.codec.cipher
        if cipher is not None:
            if job.input is not None:
                job.input = cipher.seal(job.input, job.job_id, "input_data")
            if job.metadata is not None:
                job.metadata = cipher.seal(job.metadata, job.job_id, "metadata")
        return job

    # --- read -------------------------------------------------------------------------------------

    def get_job(self, job_id: str) -> Command[Job | None] | Call[Job | None]:
        return self.record(job_id, partial(self._read, read_job, job_id))

    def listed_job(self, job_id: str) -> Command[Job | None] | Call[Job | None]:
        """As `get_job`, but a damaged record shows its damage as the job's error, as in listings."""
        return self.record(job_id, partial(self._read, listed_job, job_id))

    def record(
        self, job_id: str, read: Callable[[Any], Job | None]
    ) -> Command[Job | None] | Call[Job | None]:
        """The job's record, which `read` takes apart."""
        return Command(("HGETALL", keys.job(self.tag, validate.job_id(job_id))), read)

    def _read(
        self, job_of: Callable[[str, Fields, Cipher | None], Job | None], job_id: str, record: Any
    ) -> Job | None:
        """The job that a reply holds; None when it is empty."""
        fields = record if isinstance(record, dict) else fields_of(record)
        return job_of(job_id, fields, self.codec.cipher) if fields else None

    def ended(self, job_ids: Iterable[str]) -> Steps[list[str]]:
        """Which of the jobs have ended, or don't exist; the ends of the others are announced from now on."""
        ids, found = list(job_ids), []
        for first in range(0, len(ids), _PAGE):
            some = ids[first : first + _PAGE]
            statuses = yield scripts.watch(
                self.tag, keep_ms=_ANNOUNCED_MS, company=self.company, job_ids=some
            )
            found += [i for i, status in zip(some, statuses) if status is None or status.is_terminal]
        return found

    def list_jobs(
        self, status: JobStatus | None, company_id: str | None, user_id: str | None, limit: int
    ) -> Steps[list[Job]]:
        company = validate.tenant(company_id, "company_id")
        user = validate.tenant(user_id, "user_id")
        statuses = [validate.status(status)] if status is not None else list(JobStatus)
        left = validate.integer(limit, "limit", 0, validate.MAX_LIMIT)
        found: list[Job] = []
        before: int | None = None
        while left > 0:
            page: scripts.Page = yield scripts.list_jobs(
                self.tag,
                company=company,
                user=user,
                before_seq=before,
                limit=min(left, _PAGE),
                max_bytes=scripts.MAX_PAGE_BYTES,
                statuses=[s.value for s in statuses],
            )
            jobs = (listed_job(job_id, fields, self.codec.cipher) for job_id, fields in page.jobs if fields)
            found.extend(job for job in jobs if job is not None)
            left -= len(page.jobs)
            before = page.next_before
            if before is None:
                break
        return found

    def stats(self, limit: int) -> Call[Stats]:
        return scripts.stats(self.tag, limit=validate.integer(limit, "limit", 1, validate.MAX_LIMIT))

    def doctor(self, repair: bool = False) -> Steps[list[Problem]]:
        return doctor.examine(self.tag, repair=repair)

    # --- progress and ends ------------------------------------------------------------------------

    def progress(self, job_id: str, progress: float, message: str | None, reset: bool) -> Call[Ending]:
        return scripts.progress(
            self.tag,
            job_id=validate.job_id(job_id),
            token=context.token_for(job_id),
            progress=validate.progress(progress),
            message="" if message is None else self._text(message, "message", "progress_message", job_id),
            backwards=reset,
            company=self.company,
        )

    def complete(self, job_id: str, result: Any) -> Call[Ending]:
        return scripts.complete(
            self.tag,
            job_id=validate.job_id(job_id),
            token=context.token_for(job_id),
            op=context.token_for(job_id) or _new_op(),
            result=self.codec.pack(result, "result", job_id),
            company=self.company,
        )

    def fail(self, job_id: str, error: str, retry_delay: float | None) -> Call[Ending]:
        if retry_delay is None:
            return self._fail(job_id, error, 0, _NEVER_AGAIN)
        return self._fail(job_id, error, validate.milliseconds(retry_delay, "retry_delay"), 3)

    def _fail(self, job_id: str, error: str, retry_delay_ms: int, max_retries: int | None) -> Call[Ending]:
        return scripts.fail(
            self.tag,
            job_id=validate.job_id(job_id),
            token=context.token_for(job_id),
            op=context.token_for(job_id) or _new_op(),
            error=self._text(error, "error", "error", job_id),
            traceback="",
            retry_delay_ms=retry_delay_ms,
            max_retries=max_retries,
            company=self.company,
        )

    def cancel(self, job_id: str, reason: str) -> Call[Ending]:
        return scripts.cancel(
            self.tag,
            job_id=validate.job_id(job_id),
            op=_new_op(),
            reason=self._text(reason, "reason", "error", job_id),
            company=self.company,
        )

    def retry(self, job_id: str) -> Call[Ending]:
        return scripts.retry(self.tag, job_id=validate.job_id(job_id), op=_new_op(), company=self.company)

    def _text(self, value: str, argument: str, field: str, job_id: str) -> str | bytes:
        return self.codec.text(validate.text(value, argument), field, job_id)

    def update_status(self, job_id: str, status: JobStatus, error: str | None) -> Steps[bool]:
        wanted = validate.status(status)
        if wanted is JobStatus.COMPLETED:
            return _accepted((yield self.complete(job_id, None)))
        if wanted is JobStatus.FAILED:
            return _accepted((yield self.fail(job_id, error or "failed", None)))
        if wanted is JobStatus.CANCELLED:
            return _accepted((yield self.cancel(job_id, error or "cancelled")))
        job: Job | None = yield self.get_job(job_id)
        if wanted is JobStatus.PENDING and job is not None:
            if job.status is JobStatus.PROCESSING:
                return _accepted((yield self._fail(job_id, error or "given up", 0, None)))
            if job.status.is_terminal:
                return _accepted((yield self.retry(job_id)))
        return job is not None and job.status is wanted

    # --- work without a JobWorker, upkeep ---------------------------------------------------------

    def claim_one(self, job_types: Iterable[str], lease: float) -> Steps[list[Claimed]]:
        claim = scripts.claim(
            self.tag,
            worker=self.worker,
            lease_ms=validate.milliseconds(lease, "lease", low=0.1),
            want=1,
            types=[validate.job_type(t, "job_types") for t in validate.several(job_types, "job_types")],
        )
        claimed: list[Claimed] = yield claim
        if not claimed:
            # What is due, or was given up, comes back by upkeep, and there may be no worker that does it.
            yield scripts.tend(self.tag, limit=_TENDED)
            claimed = yield claim
        return claimed

    def begin(self, claimed: list[Claimed]) -> Steps[Job | None]:
        """What `claim_one` has claimed, to be run by the caller. A job that can't be read doesn't stay in its
        hands: it is given back when another client may have the key, else it fails, as in a worker."""
        try:
            return claimed[0].job(self.codec.cipher) if claimed else None
        except MissingKeyError:
            yield self.give_back(claimed)
            raise
        except UndecodableError as error:
            yield self._fail_unread(claimed[0], error)
            raise type(error)(f"job {claimed[0].job_id} has failed, it can't be read: {error}") from error

    def _fail_unread(self, claimed: Claimed, error: UndecodableError) -> Call[Ending]:
        return scripts.fail(
            self.tag,
            job_id=claimed.job_id,
            token=claimed.token,
            op=claimed.token,
            error=self._text(f"UndecodableError: {error}", "error", "error", claimed.job_id),
            traceback="",
            retry_delay_ms=0,
            max_retries=_NEVER_AGAIN,
        )

    def give_back(self, claimed: list[Claimed]) -> Call[list[str]]:
        """Puts jobs that were claimed and not begun back to where they waited."""
        return scripts.release(self.tag, worker=self.worker, held=[(c.job_id, c.token) for c in claimed])

    def cleanup(self, older_than_seconds: float) -> Steps[int]:
        age = validate.milliseconds(older_than_seconds, "older_than_seconds")
        deleted = 0
        while True:
            cleaning = scripts.cleanup(self.tag, limit=_CLEANUP_BATCH, finished_before_ms=age)
            done: scripts.Cleaned = yield cleaning
            deleted += done.aged + done.purged
            ended = done.purged + done.expired  # of which some may be old enough by now
            if done.aged < _CLEANUP_BATCH and ended == 0 and not done.more:
                return deleted


def _accepted(ending: Ending) -> bool:
    return ending.accepted
