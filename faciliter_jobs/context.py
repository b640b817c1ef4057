"""Which attempt the running code belongs to."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from .base_queue import BaseJobQueue


@dataclass(slots=True)
class Attempt:
    job_id: str
    token: str
    queue: BaseJobQueue  # the one that the worker serves


current: ContextVar[Attempt | None] = ContextVar("faciliter_jobs_attempt", default=None)


def token_for(job_id: str) -> str:
    """The running attempt's token when it is an attempt of this job, else '' (called from outside)."""
    attempt = current.get()
    return attempt.token if attempt is not None and attempt.job_id == job_id else ""
