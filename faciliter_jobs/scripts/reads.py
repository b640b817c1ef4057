"""lua/read/*.lua: bounded looks that change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidArgumentError
from ..job import JobStatus
from ..record import Fields, fields_of
from .base import Call, R, optional, unpacked


@dataclass(slots=True)
class WorkerInfo:
    """What a live worker says of itself."""

    name: str
    alive_until_ms: int
    info: dict[str, Any]


@dataclass(slots=True)
class Stats:
    """Counts by status, and who works on what."""

    now_ms: int
    counts: dict[JobStatus, int]
    scheduled: int  # PENDING and due later
    leased: int  # in a worker's hands
    parked: int  # workers that wait for a job
    alive: int  # workers in all, of which `workers` may be a part
    waiting: dict[str, int]  # type -> companies with a waiting job in a lane
    workers: list[WorkerInfo] = field(default_factory=list)

    @property
    def unserved(self) -> list[str]:
        """Types with waiting jobs that no live worker has a handler for. [] when `workers` are not all that
        are `alive`, since one of the others may have: ask with a higher `limit`."""
        if len(self.workers) < self.alive:
            return []
        if any(worker.info.get("types") == [] for worker in self.workers):
            return []
        served = {t for worker in self.workers for t in worker.info.get("types", ())}
        return sorted(set(self.waiting) - served)


@dataclass(slots=True)
class Page:
    """A part of a listing."""

    jobs: list[tuple[str, Fields]]  # id and record
    next_before: int | None  # the `before_seq` of the page behind this one; None: it is the last


def list_jobs(
    tag: str,
    *,
    company: str | None,
    user: str | None,
    before_seq: int | None,
    limit: int,
    max_bytes: int,
    statuses: Sequence[str],
) -> Call[Page]:
    def parse(reply: Any) -> Page:
        if isinstance(reply, int):
            raise InvalidArgumentError(
                f"company_id: jobs of more than {reply:,} types wait, too many to list a company's "
                "PENDING jobs: name another status, or a user"
            )
        next_before, entries = unpacked(reply)
        jobs = [(job_id.decode("utf-8", "replace"), fields_of(flat)) for job_id, flat in entries]
        return Page(jobs, int(next_before) or None)

    args = [optional(company), optional(user), optional(before_seq), limit, max_bytes, *statuses]
    return Call("read/list", tag, args, parse)


def get_job(tag: str, *, job_id: str, company: str, read: Callable[[Any], R]) -> Call[R]:
    """The record as `read` takes it: empty when there is none, or when it is another company's."""
    return Call("read/get", tag, [job_id, company], read)


def _worker_info(entry: list[Any]) -> WorkerInfo:
    try:
        info = json.loads(entry[2])
    except ValueError:
        info = None
    if not isinstance(info, dict):
        info = {}
    if not isinstance(info.get("types", []), list):
        del info["types"]
    return WorkerInfo(entry[0].decode("utf-8", "replace"), int(float(entry[1])), info)


def stats(tag: str, *, limit: int) -> Call[Stats]:
    def parse(reply: Any) -> Stats:
        now, counts, scheduled, leased, parked, alive, types, workers = reply
        return Stats(
            now,
            {JobStatus(name.decode()): count for name, count in counts},
            scheduled,
            leased,
            parked,
            alive,
            {name.decode("utf-8", "replace"): companies for name, companies in types},
            [_worker_info(entry) for entry in workers],
        )

    return Call("read/stats", tag, [limit], parse)
