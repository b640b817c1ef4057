"""A producer that calls submit_job again and again: one round trip a job."""

from __future__ import annotations

import time

from ..bench import Bench
from ..figures import Against, Result
from ..tally import payload
from .registry import scenario

_COUNT = 500


def _measured(bench: Bench, company: str | None, user: str | None) -> Against:
    queue, work = bench.queue(), {"p": payload(0)}

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(_COUNT):
            queue.submit_job("bench", work, company, user)
        return _COUNT / (time.perf_counter() - started)

    measure()
    got = bench.against_lpush(measure, bench.size(15, 61))
    queue.close()
    return got


@scenario("submit", "submit_job one by one, 100-byte payload, one connection")
def submit(bench: Bench) -> Result:
    plain, tenant = _measured(bench, None, None), _measured(bench, "acme", "ann")
    return Result(
        "submit",
        [
            plain.figure("plain", "submit_job", at_least=0.85),
            tenant.figure("tenant", "submit_job with company_id and user_id", at_least=0.85),
        ],
    )
