"""lua/submit.lua, lua/submit_one.lua"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgpack

from .base import Arg, Call


@dataclass(slots=True)
class NewJob:
    """A validated job, packed: the fields that submit.lua takes for each, in its order, and then those
    that it takes together as `more`, since few jobs have any."""

    job_id: str
    job_type: str
    company: str | None
    user: str | None
    input: bytes | None
    ttl_ms: int
    session: str | None = None
    metadata: bytes | None = None
    max_retries: int | None = None
    retry_delay_ms: int | None = None
    delay_ms: int | None = None
    run_at_ms: int | None = None
    priority: int = 0
    timeout_ms: int | None = None

    def args(self) -> tuple[Arg, ...]:
        return (
            self.job_id,
            self.job_type,
            self.company or "",
            self.user or "",
            self.input or b"",
            self.ttl_ms,
            self._more(),
        )

    def _more(self) -> bytes:
        if (
            self.session is None
            and self.metadata is None
            and self.max_retries is None
            and self.retry_delay_ms is None
            and self.delay_ms is None
            and self.run_at_ms is None
            and self.priority == 0
            and self.timeout_ms is None
        ):
            return b""
        given = {name: value for name in MORE if (value := getattr(self, name)) is not None}
        if not self.priority:
            del given["priority"]
        # The server's cmsgpack knows texts only.
        packed: bytes = msgpack.packb(given, use_bin_type=False)
        return packed


MORE = (
    "session",
    "metadata",
    "max_retries",
    "retry_delay_ms",
    "delay_ms",
    "run_at_ms",
    "priority",
    "timeout_ms",
)


def submit_one(tag: str, *, job: NewJob) -> Call[int]:
    """1 when the job is new, else 0."""
    return Call("submit_one", tag, job.args(), int)


def submit(tag: str, *, jobs: Sequence[NewJob]) -> Call[int]:
    """How many of the jobs are new."""
    return Call("submit", tag, [arg for job in jobs for arg in job.args()], int)
