"""Workers with a handler that does nothing empty a backlog; their results are stored."""

from __future__ import annotations

from ..bench import Bench, fill
from ..figures import Curve, Result
from ..machine import client_cores
from ..workers import drain_rate
from .registry import scenario


@scenario("drain", "1, 2 and 4 worker processes empty a backlog, no-op handler, results stored")
def drain(bench: Bench) -> Result:
    number = bench.size(20_000, 100_000)
    figures = []
    curve = Curve("Drain rate by worker processes", "worker processes", "jobs/s")
    for workers in (1, 2, 4):

        def measure(workers: int = workers) -> float:
            queue = bench.queue()
            fill(queue, number)
            rate = drain_rate(queue, number, workers)
            queue.close()
            return rate

        alone = workers == 1
        got = bench.against_lpush(measure, bench.size(5 if alone else 3, 9 if alone else 5), count=1500)
        curve.add("jobs/s", workers, got.value)
        text = f"drain, {workers} worker process{'es' * (not alone)}"
        # What several reach says more of the machine's cores than of the code.
        figures.append(
            got.figure(f"{workers}", text, at_least=4 if alone else None, guarded="ratio" if alone else "")
        )
    cores = len(client_cores())
    return Result("drain", figures, [curve], [f"All workers share {cores or 'the'} client core(s)."])
