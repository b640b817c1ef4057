"""What a job costs the server from submit to its result: Redis commands, and time in scripts.

The counts hardly vary from run to run or from machine to machine, so `check` compares them closely.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from faciliter_jobs import JobWorker, RedisJobQueue

from ..bench import Bench, fill
from ..figures import Figure, Result, median
from ..stats import Commands
from ..tally import payload
from .registry import scenario

_JOBS = 200  # one by one in a round
_DRAINED = 2000
_STEPS = ("submit", "claim", "complete")


def drain_here(queue: RedisJobQueue, jobs: int) -> None:
    """A worker in this process, which is slower than one of its own and cheap to start."""
    worker = JobWorker(queue)
    worker.register_function_handler("bench", lambda job: {"ok": True})
    worker.start(max_jobs=jobs)


def one_by_one(queue: RedisJobQueue, company: str | None, user: str | None) -> dict[str, Callable[[], Any]]:
    """Submit, claim and complete of one job, each to be called as often as the one before."""
    claimed: list[str] = []
    work = {"p": payload(0)}

    def claim() -> None:
        job = queue.get_pending_job()
        assert job is not None
        claimed.append(job.job_id)

    return {
        "submit": lambda: queue.submit_job("bench", work, company, user),
        "claim": claim,
        "complete": lambda: queue.complete_job(claimed.pop(), {"ok": True}),
    }


def _steps(bench: Bench, kind: str, company: str | None, user: str | None) -> list[Figure]:
    queue = bench.queue()
    fill(queue, 10)
    works = one_by_one(queue, company, user)
    counts: dict[str, list[float]] = {name: [] for name in _STEPS}
    times: dict[str, list[float]] = {name: [] for name in _STEPS}

    def measure() -> float:
        for name, work in works.items():
            with Commands(bench.client) as commands:
                for _ in range(_JOBS):
                    work()
            counts[name].append(commands.inner / _JOBS)
            times[name].append(commands.server_us / _JOBS)
        return sum(seen[-1] for seen in times.values())

    got = bench.against_plain_script(measure, bench.size(5, 21), "us a job")
    queue.close()
    suffix = "" if company is None else ", company and user set"
    every = f"submit, claim and complete: {{}}{suffix}"
    commands = {name: median(seen) for name, seen in counts.items()}
    return [
        *(
            Figure(
                f"{kind}-{name}-commands", f"{name}: commands in its script{suffix}", commands[name], "a job",
                guarded="count",
            )
            for name in _STEPS
        ),
        Figure(f"{kind}-commands", every.format("commands"), sum(commands.values()), "a job"),
        *(
            Figure(f"{kind}-{name}-us", f"{name}: script time{suffix}", median(times[name]), "us a job")
            for name in _STEPS
        ),
        got.figure(f"{kind}-us", every.format("script time")),
    ]  # fmt: skip


def _bulk(bench: Bench) -> list[Figure]:
    queue = bench.queue()
    counts: list[float] = []

    def measure() -> float:
        with Commands(bench.client) as commands:
            fill(queue, _DRAINED)
        counts.append(commands.inner / _DRAINED)
        return commands.server_us / _DRAINED

    got = bench.against_plain_script(measure, bench.size(5, 21), "us a job")
    queue.close()
    return [
        Figure("bulk-commands", "submit_jobs: commands", median(counts), "a job", guarded="count"),
        got.figure("bulk-us", "submit_jobs: script time"),
    ]


def _drained(bench: Bench) -> tuple[list[Figure], str]:
    queue = bench.queue()
    counts: list[float] = []
    calls: list[float] = []
    by_name: Counter[str] = Counter()

    def measure() -> float:
        fill(queue, _DRAINED)
        with Commands(bench.client) as commands:
            drain_here(queue, _DRAINED)
        counts.append(commands.inner / _DRAINED)
        calls.append(commands.script_calls / _DRAINED)
        by_name.update(commands.calls)
        return commands.server_us / _DRAINED

    got = bench.against_plain_script(measure, bench.size(5, 15), "us a job")
    queue.close()
    jobs = _DRAINED * len(counts)
    top = ", ".join(f"{name} {calls / jobs:.2f}" for name, calls in by_name.most_common(8))
    figures = [
        # How many jobs a turn takes depends on the handlers' measured pace: not to be compared closely.
        Figure("drain-commands", "drained by a worker: commands", median(counts), "a job"),
        Figure("drain-calls", "drained by a worker: script calls", median(calls), "a job"),
        got.figure("drain-us", "drained by a worker: script time"),
    ]
    return figures, f"Commands a drained job: {top}."


@scenario("lifecycle", "Redis commands and script time a job, from submit to its result")
def lifecycle(bench: Bench) -> Result:
    drained, note = _drained(bench)
    figures = [*_steps(bench, "plain", None, None), *_steps(bench, "tenant", "acme", "ann")]
    return Result("lifecycle", [*figures, *_bulk(bench), *drained], notes=[note])
