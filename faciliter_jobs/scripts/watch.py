"""lua/watch.lua"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..job import JobStatus
from .base import Call


def watch(tag: str, *, keep_ms: int, company: str, job_ids: Sequence[str]) -> Call[list[JobStatus | None]]:
    """The status of each job, None when there is no such job, or when it is another company's."""

    def parse(reply: Any) -> list[JobStatus | None]:
        return [JobStatus(status.decode()) if status else None for status in reply]

    return Call("watch", tag, [keep_ms, company, *job_ids], parse)
