"""lua/complete.lua, fail.lua, cancel.lua, retry.lua, progress.lua: what is said of one job.

With a `company`, of a job of that company only: another's is MISSING.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from .base import Arg, Call, optional


class Ending(Enum):
    """What a script did with a job, or why it did nothing."""

    COMPLETED = "completed"
    FAILED = "failed"
    RETRYING = "retrying"
    CANCELLED = "cancelled"
    PENDING = "pending"
    UPDATED = "updated"
    ALREADY = "already"  # done before, by this very call or attempt
    MISSING = "missing"
    FINISHED = "finished"
    UNFINISHED = "unfinished"
    STALE = "stale"  # the attempt isn't the current one any more

    @property
    def accepted(self) -> bool:
        return self not in _REFUSALS


_REFUSALS = frozenset({Ending.MISSING, Ending.FINISHED, Ending.UNFINISHED, Ending.STALE})


def ending_of(word: Any) -> Ending:
    return Ending(word.decode())


def progress(
    tag: str,
    *,
    job_id: str,
    token: str,
    progress: int,
    message: str | bytes,
    backwards: bool,
    company: str = "",
) -> Call[Ending]:
    return Call("progress", tag, [job_id, token, progress, message, int(backwards), company], ending_of)


def complete(tag: str, *, job_id: str, token: str, op: str, result: bytes, company: str = "") -> Call[Ending]:
    return Call("complete", tag, [job_id, token, op, result, company], ending_of)


def fail(
    tag: str,
    *,
    job_id: str,
    token: str,
    op: str,
    error: str | bytes,
    traceback: str | bytes,
    retry_delay_ms: int,
    max_retries: int | None,
    company: str = "",
) -> Call[Ending]:
    """max_retries: -1: never again; None: again in any case, and it counts as no retry."""
    args: list[Arg] = [job_id, token, op, error, traceback, retry_delay_ms, optional(max_retries), company]
    return Call("fail", tag, args, ending_of)


def cancel(tag: str, *, job_id: str, op: str, reason: str | bytes, company: str = "") -> Call[Ending]:
    return Call("cancel", tag, [job_id, op, reason, company], ending_of)


def retry(tag: str, *, job_id: str, op: str, company: str = "") -> Call[Ending]:
    """PENDING, or why not: UNFINISHED, FINISHED (it completed), MISSING."""
    return Call("retry", tag, [job_id, op, company], ending_of)
