"""Reads the state of a queue that has come to rest, for the checker, and keeps it beside a history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faciliter_jobs import JobStatus, RedisJobQueue
from tests.support.server import client_of

from .checker import MOST_LISTED
from .history import Final, FinalJob

_FIELDS = ("status", "seq", "attempt", "type", "co", "u", "error", "last_op")
_FILE = "final.json"


def read_final(queue: RedisJobQueue) -> Final:
    stats = queue.stats(limit=1)
    return Final(
        jobs=dict(_records(queue)),
        counts={status.value: count for status, count in stats.counts.items()},
        scheduled=stats.scheduled,
        leased=stats.leased,
        listings=list(_listings(queue)),
        problems=[str(problem) for problem in queue.doctor()],
    )


def _records(queue: RedisJobQueue) -> Iterator[tuple[str, FinalJob]]:
    client = client_of(queue.config)
    start = f"{queue.tag}job:"
    ids = {key.decode()[len(start) :] for key in client.scan_iter(match=start + "*", count=2000)}
    names = sorted(ids)
    for first in range(0, len(names), 2000):
        pipeline = client.pipeline(transaction=False)
        page = names[first : first + 2000]
        for job_id in page:
            pipeline.hmget(start + job_id, *_FIELDS)
        for job_id, found in zip(page, pipeline.execute()):
            yield job_id, _final_job(*(value.decode() if value else "" for value in found))
    client.close()


def _final_job(
    status: str, seq: str, attempt: str, job_type: str, company: str, user: str, error: str, last_op: str
) -> FinalJob:
    by_other = last_op.partition("/")[0] == (attempt or "0")
    return FinalJob(status, int(seq), int(attempt or 0), job_type, company, user, error, by_other)


def _listings(queue: RedisJobQueue) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Small ones: by status and company or user. The index of all is held against the records by the
    counts and by the doctor."""
    filters: list[tuple[dict[str, str], dict[str, Any]]] = []
    for status in (JobStatus.FAILED, JobStatus.CANCELLED):
        filters.append(({"status": status.value}, {"status": status}))
        for n in (0, 1):
            filters.append(
                ({"status": status.value, "company": f"c{n}"}, {"status": status, "company_id": f"c{n}"})
            )
    filters.append(({"user": "u1"}, {"user_id": "u1"}))
    filters.append(({"user": "u2", "company": "c2"}, {"user_id": "u2", "company_id": "c2"}))
    for wanted, arguments in filters:
        yield wanted, [job.job_id for job in queue.list_jobs(limit=MOST_LISTED, **arguments)]


def save(final: Final, directory: Path) -> None:
    (directory / _FILE).write_text(json.dumps(asdict(final)))


def load(directory: Path) -> Final:
    data = json.loads((directory / _FILE).read_text())
    data["jobs"] = {job_id: FinalJob(**fields) for job_id, fields in data["jobs"].items()}
    return Final(**data)
