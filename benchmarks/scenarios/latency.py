"""How long a job waits from the call of submit_job to the first line of its handler.

Worker and producer are two processes with one clock. `poll_interval` is 1 s, so nothing under a
second comes from polling.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence

from ..bench import Bench
from ..figures import Figure, Result, median, percentile
from ..tally import payload
from ..workers import Workers, wait_until_finished
from .registry import scenario

_WARM_UP = 50
_GAP = 0.005  # seconds between two submits to an idle worker


def submitted_to_started(bench: Bench, gaps: Sequence[float], *, handler: float) -> list[tuple[float, float]]:
    """(submitted, started) of each job but the first few, in seconds; `gaps` pass between two submits."""
    queue = bench.queue()
    with Workers(queue.config, 1, every=1, sleep=handler) as worker:
        worker.go()
        submitted = []
        due = time.monotonic() + 0.3
        for number, gap in enumerate(gaps):
            time.sleep(max(0.0, due - time.monotonic()))
            submitted.append(time.monotonic())
            queue.submit_job("bench", {"p": payload(number)})
            due += gap
        wait_until_finished(queue, len(gaps))
        started = {run.number: run.at for run in worker.runs()}
    queue.close()
    return [(at, started[number]) for number, at in enumerate(submitted)][_WARM_UP:]


@scenario("latency", "submit_job to the handler's first line: idle, and with the worker half busy")
def latency(bench: Bench) -> Result:
    count, rounds = bench.size(300, 3_000), bench.size(5, 9)
    p99s: list[float] = []

    def idle() -> float:
        seen = submitted_to_started(bench, [_GAP] * (count + _WARM_UP), handler=0)
        waits = [(start - submit) * 1000 for submit, start in seen]
        p99s.append(percentile(waits, 99))
        return median(waits)

    spaced = bench.against_spaced_ping(idle, rounds)
    close = spaced.value / bench.ping()
    p99 = median(p99s)
    return Result(
        "latency",
        [
            spaced.figure("idle-p50", "idle worker, p50", at_most=4),
            Figure(
                "idle-p50-close", "the same, to a PING after another", spaced.value, "ms", ratio=close,
                of="PING round trip", aim="<= 4x", met=close <= 4,
            ),
            Figure("idle-p99", "idle worker, p99", p99, "ms", aim="< 2 ms", met=p99 < 2),
            *_half_load(bench, bench.size(800, 5_000)),
        ],
    )  # fmt: skip


def _half_load(bench: Bench, count: int) -> list[Figure]:
    """A handler of 2 ms, and a job every 4 ms on average at random: half of the jobs find the worker
    busy. What an ideal queue (the same arrivals, no time of its own) would take is computed."""
    handler, chance = 0.002, random.Random(7)
    gaps = [chance.expovariate(0.5 / handler) for _ in range(count + _WARM_UP)]
    waits: list[float] = []

    def beyond() -> float:
        seen = submitted_to_started(bench, gaps, handler=handler)
        back_to_back = [b[1] - a[1] for a, b in itertools.pairwise(seen) if b[0] < a[1] + handler]
        busy = median(back_to_back or [handler])
        late, free_at = [], 0.0
        for submit, start in seen:
            ideal = max(submit, free_at)
            free_at = ideal + busy
            waits.append((start - submit) * 1000)
            late.append((start - ideal) * 1000)
        return median(late)

    got = bench.against_spaced_ping(beyond, 1)
    return [
        Figure("load-p50", "half-busy worker (2 ms handler), p50", median(waits), "ms"),
        Figure("load-p99", "half-busy worker, p99", percentile(waits, 99), "ms"),
        got.figure("load-beyond", "half-busy worker, p50 beyond an ideal queue", guarded=""),
    ]
