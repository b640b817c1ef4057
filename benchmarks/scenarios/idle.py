"""What a worker costs that has nothing to do."""

from __future__ import annotations

import time

from ..bench import Bench
from ..figures import Figure, Result
from ..stats import Watch
from ..workers import Workers
from .registry import scenario


@scenario("idle", "an idle worker with poll_interval=1.0: commands a second, share of a core")
def idle(bench: Bench) -> Result:
    seconds = bench.size(6.0, 30.0)
    queue = bench.queue()
    with Workers(queue.config, 1) as worker:
        worker.go()
        time.sleep(2)
        with Watch(bench.server) as watch:
            cpu, started = worker.cpu_seconds(), time.monotonic()
            time.sleep(seconds)
            cpu = worker.cpu_seconds() - cpu
            took = time.monotonic() - started
    sent, inner = watch.sent.total() / took, watch.within_scripts.total() / took
    share = cpu / took * 100
    names = ", ".join(f"{name} {count / took:.2g}/s" for name, count in watch.sent.most_common())
    return Result(
        "idle",
        [
            Figure("sent", "commands sent", sent, "1/s", aim="< 3/s", met=sent < 3),
            Figure("inner", "commands within the scripts", inner, "1/s"),
            Figure(
                "cpu", "CPU of the worker process", share, "% of a core",
                aim="< 0.5 %", met=share < 0.5,
            ),
        ],
        notes=[f"Sent: {names}."],
    )  # fmt: skip
