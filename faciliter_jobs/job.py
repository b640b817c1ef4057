"""The job as its users see it, and the states that it passes through."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Protocol

from .errors import JobCancelledError


class JobStatus(str, Enum):
    """Where a job is in its life. A delayed or retrying job is PENDING."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

# (from, to) -> the scripts that move a job so; None is "no record". park, turn and tend do the work of
# others besides, as their headers say. A test holds the MOVES lines of the Lua headers against this table.
TRANSITIONS: dict[tuple[JobStatus | None, JobStatus | None], frozenset[str]] = {
    (None, JobStatus.PENDING): frozenset({"submit", "submit_one"}),
    (JobStatus.PENDING, JobStatus.PROCESSING): frozenset({"claim", "park", "adopt", "turn"}),
    (JobStatus.PENDING, JobStatus.COMPLETED): frozenset({"complete"}),
    (JobStatus.PENDING, JobStatus.FAILED): frozenset({"fail", "repair_jobs", "repair_field"}),
    (JobStatus.PENDING, JobStatus.CANCELLED): frozenset(
        {"cancel", "cleanup", "claim", "adopt", "recover", "lose"}
    ),
    (JobStatus.PROCESSING, JobStatus.COMPLETED): frozenset({"complete"}),
    (JobStatus.PROCESSING, JobStatus.FAILED): frozenset({"fail", "recover", "lose", "repair_jobs"}),
    (JobStatus.PROCESSING, JobStatus.CANCELLED): frozenset({"cancel"}),
    (JobStatus.PROCESSING, JobStatus.PENDING): frozenset({"fail", "recover", "lose", "leave", "release"}),
    (JobStatus.FAILED, JobStatus.PENDING): frozenset({"retry"}),
    (JobStatus.CANCELLED, JobStatus.PENDING): frozenset({"retry"}),
    (JobStatus.COMPLETED, None): frozenset({"cleanup"}),
    (JobStatus.FAILED, None): frozenset({"cleanup"}),
    (JobStatus.CANCELLED, None): frozenset({"cleanup"}),
}


class _Flag(Protocol):
    reason: str


class _Attempt(Protocol):
    @property
    def is_cancelled(self) -> bool: ...

    @property
    def cancelled(self) -> _Flag: ...


@dataclass
class Job:
    """One job, as it was when it was read.

    Times are ISO 8601 strings in UTC. `metadata` is what the producer gave, plus `retry_count` and
    `last_error` once an attempt has failed.
    """

    job_id: str
    job_type: str
    status: JobStatus
    created_at: str
    updated_at: str
    company_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    input_data: dict[str, Any] | None = None
    progress: int = 0
    progress_message: str | None = None
    result: Any = None
    error: str | None = None
    metadata: dict[str, Any] | None = None
    # beyond the documented fields
    attempt: int = 0  # how many times a worker has started it
    worker: str | None = None  # who runs it, or ran it last
    due_at: str | None = None  # when a delayed or retrying job becomes ready
    started_at: str | None = None  # the latest attempt's start
    finished_at: str | None = None
    traceback: str | None = None  # of the latest failed attempt
    max_retries: int | None = None  # None: the worker's
    retry_delay: float | None = None  # seconds; None: the worker's
    timeout: float | None = None  # seconds that an attempt may take; None: the type's or the worker's

    @property
    def cancelled(self) -> bool:
        """Within a handler: whether this attempt isn't wanted any more, because the job was cancelled,
        timed out or lost its lease, or because the worker stops without it. Elsewhere False."""
        attempt = self.__dict__.get("_attempt")
        return attempt is not None and attempt.is_cancelled

    def raise_if_cancelled(self) -> None:
        """Raises JobCancelledError when `cancelled`."""
        if self.cancelled:
            raise JobCancelledError(self.__dict__["_attempt"].cancelled.reason)

    def bind(self, attempt: _Attempt) -> None:
        """Makes this the job that a handler is given (workers call it)."""
        self.__dict__["_attempt"] = attempt

    def __getstate__(self) -> dict[str, Any]:
        # A copy, or what is sent to another process, isn't bound to the attempt.
        return {name: value for name, value in self.__dict__.items() if name != "_attempt"}

    @property
    def retry_count(self) -> int:
        """How many attempts were tried again so far."""
        return int((self.metadata or {}).get("retry_count", 0))

    def to_dict(self) -> dict[str, Any]:
        """The job as plain values; the status in lower case, as stored."""
        data = asdict(self)
        data["status"] = self.status.value
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Job:
        """The inverse of `to_dict`; keys that aren't fields are left out."""
        known = {f.name for f in fields(cls)}
        values = {k: v for k, v in data.items() if k in known}
        values["status"] = JobStatus(values["status"])
        return cls(**values)


@dataclass
class JobSpec:
    """One job to submit, for `submit_jobs`. The fields are those of `submit_job`."""

    job_type: str
    input_data: dict[str, Any] | None = None
    company_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    metadata: dict[str, Any] | None = None
    ttl: float | None = None
    job_id: str | None = None
    delay: float | None = None
    run_at: Any = None
    max_retries: int | None = None
    retry_delay: float | None = None
    timeout: float | None = None
