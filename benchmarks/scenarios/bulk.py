"""A producer that hands over 1000 jobs at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..bench import Bench, specs
from ..figures import Against, Result
from ..tally import payload
from .registry import scenario

_AT_ONCE = 1000
_CALLS = 4


def _measured(bench: Bench, batch: Sequence[Any]) -> Against:
    queue = bench.queue()

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(_CALLS):
            queue.submit_jobs(batch)
        return _CALLS * _AT_ONCE / (time.perf_counter() - started)

    measure()
    got = bench.against_lpush(measure, bench.size(11, 41))
    queue.close()
    return got


@scenario("bulk", "submit_jobs of 1000 jobs a call, 100-byte payload")
def bulk(bench: Bench) -> Result:
    dicts = [{"job_type": "bench", "input_data": {"p": payload(i)}} for i in range(_AT_ONCE)]
    batches: tuple[tuple[str, str, Sequence[Any]], ...] = (
        ("plain", "submit_jobs", list(specs(_AT_ONCE))),
        (
            "tenant",
            "submit_jobs, 10 companies with 10 users each",
            list(specs(_AT_ONCE, companies=10, users=10)),
        ),
        ("dicts", "submit_jobs of dicts", dicts),
    )
    figures = [_measured(bench, batch).figure(key, text, at_least=7) for key, text, batch in batches]
    return Result("bulk", figures)
