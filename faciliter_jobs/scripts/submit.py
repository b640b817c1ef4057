"""lua/submit.lua, lua/submit_one.lua"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .base import Arg, Call, optional


@dataclass(slots=True)
class NewJob:
    """A validated job, packed: the fields that submit.lua takes for each, in its order."""

    job_id: str
    job_type: str
    company: str | None
    user: str | None
    session: str | None
    input: bytes | None
    metadata: bytes | None
    ttl_ms: int
    max_retries: int | None
    retry_delay_ms: int | None
    delay_ms: int | None
    run_at_ms: int | None
    priority: int = 0

    def args(self) -> tuple[Arg, ...]:
        return (
            self.job_id,
            self.job_type,
            optional(self.company),
            optional(self.user),
            optional(self.session),
            optional(self.input),
            optional(self.metadata),
            self.ttl_ms,
            optional(self.max_retries),
            optional(self.retry_delay_ms),
            optional(self.delay_ms),
            optional(self.run_at_ms),
            self.priority,
        )


def submit_one(tag: str, *, job: NewJob) -> Call[int]:
    """1 when the job is new, else 0."""
    return Call("submit_one", tag, job.args(), int)


def submit(tag: str, *, jobs: Sequence[NewJob]) -> Call[int]:
    """How many of the jobs are new."""
    return Call("submit", tag, [arg for job in jobs for arg in job.args()], int)
