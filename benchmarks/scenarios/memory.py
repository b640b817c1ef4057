"""Bytes of the server's memory for one job: used_memory after, less used_memory before, by their number."""

from __future__ import annotations

from ..bench import Bench, fill
from ..figures import Figure, Result
from ..stats import used_memory
from ..workers import drain_rate
from .registry import scenario

_AIM = 700


@scenario("memory", "bytes a pending and a finished job, 100-byte payload")
def memory(bench: Bench) -> Result:
    number = bench.size(50_000, 1_000_000)
    figures = []
    for key, text, companies, users in (
        ("plain", "no company", 0, 0),
        ("tenant", "1000 companies, 10 users each", 1000, 10),
    ):
        queue = bench.queue()
        before = used_memory(bench.client)
        fill(queue, number, companies=companies, users=users)
        pending = (used_memory(bench.client) - before) / number
        drain_rate(queue, number)
        finished = (used_memory(bench.client) - before) / number
        queue.close()
        figures += [
            Figure(
                f"{key}-pending", f"a pending job, {text}", pending, "bytes",
                aim=f"<= {_AIM}", met=pending <= _AIM, guarded="bytes",
            ),
            Figure(f"{key}-finished", f"a finished job, {text}", finished, "bytes", guarded="bytes"),
        ]  # fmt: skip
    return Result(
        "memory",
        figures,
        notes=[
            f"{number:,} jobs: the tables that hold them double in size now and then, so the number matters."
        ],
    )
