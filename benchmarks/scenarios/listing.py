"""list_jobs on a large queue, with every mix of filters."""

from __future__ import annotations

import time
from typing import Any

from faciliter_jobs import RedisJobQueue
from faciliter_jobs.job import JobStatus

from ..bench import Bench, fill
from ..figures import Figure, Result, median, percentile
from ..workers import Workers
from .registry import scenario

_COMPANY, _USER = "company-00007", "user-00073"  # of its ten
_FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "status": {"status": JobStatus.COMPLETED},
    "company": {"company_id": _COMPANY},
    "user": {"user_id": _USER},
    "company, user": {"company_id": _COMPANY, "user_id": _USER},
    "status, company": {"status": JobStatus.PENDING, "company_id": _COMPANY},
    "status, user": {"status": JobStatus.PENDING, "user_id": _USER},
    "status, company, user": {"status": JobStatus.PENDING, "company_id": _COMPANY, "user_id": _USER},
    "status that none has": {"status": JobStatus.FAILED, "company_id": _COMPANY},
    "user, of 1,000 that run": {"status": JobStatus.PROCESSING, "user_id": _USER},
}
_RUNNING = 1000


@scenario("listing", "list_jobs(limit=50) among 100,000 jobs, each mix of filters")
def listing(bench: Bench) -> Result:
    number, calls = 100_000, bench.size(60, 400)
    queue = bench.queue()
    fill(queue, number, companies=100, users=10)
    _finish_some(queue, number // 4)
    for _ in range(_RUNNING):
        queue.get_pending_job()
    figures = []
    for name, filters in _FILTERS.items():
        took, before = [], bench.ping()
        for _ in range(calls):
            started = time.perf_counter()
            found = queue.list_jobs(limit=50, **filters)
            took.append((time.perf_counter() - started) * 1000)
        p50, ping = median(took), (before + bench.ping()) / 2
        key = name.replace(", ", "-").replace(" ", "-")
        figures += [
            Figure(
                f"{key}-p50", f"{name}: p50 ({len(found)} found)", p50, "ms", ratio=p50 / ping,
                of="PING round trip",
            ),
            Figure(f"{key}-p99", f"{name}: p99", percentile(took, 99), "ms"),
        ]  # fmt: skip
    queue.close()
    return Result("listing", figures)


def _finish_some(queue: RedisJobQueue, number: int) -> None:
    with Workers(queue.config) as workers:
        workers.go()
        while queue.stats(limit=1).counts.get(JobStatus.COMPLETED, 0) < number:
            time.sleep(0.02)
