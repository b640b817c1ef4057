"""Script times of queues of several sizes, measured in turn, so that what else the machine does falls
on all of them alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from faciliter_jobs import RedisJobQueue

from ..bench import Bench, fill, specs
from ..figures import Curve, Figure, Result, median, noise_of
from ..stats import Commands
from .lifecycle import drain_here

_AIM = 1.3
_CALLS = 200
_LISTS = 20
_DRAINED = 1000  # enough that the worker's start and stop don't show


@dataclass
class Sample:
    """A queue of one size, with what a producer of it submits."""

    queue: RedisJobQueue
    companies: int
    users: int  # of each company
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def submit(self) -> None:
        (spec,) = specs(1, start=next(self.numbers), companies=self.companies, users=self.users)
        self.queue.submit_job(spec.job_type, spec.input_data, spec.company_id, spec.user_id)


def filled(bench: Bench, number: int, jobs: int, companies: int, users: int = 10) -> Sample:
    """A queue aside (its `number`) with so many jobs waiting."""
    made = Sample(bench.queue_aside(number), companies, users)
    fill(made.queue, jobs, companies=companies, users=made.users)
    return made


def _round(bench: Bench, sample: Sample) -> dict[str, float]:
    """Microseconds of script time for one job. Leaves as many jobs waiting as it found."""
    queue = sample.queue
    claimed: list[str] = []

    def claim() -> None:
        job = queue.get_pending_job()
        assert job is not None
        claimed.append(job.job_id)

    steps: dict[str, tuple[Callable[[], Any], int]] = {
        "submit": (sample.submit, _CALLS),
        "claim": (claim, _CALLS),
        "complete": (lambda: queue.complete_job(claimed.pop(), {"ok": True}), _CALLS),
        "list, limit 50": (lambda: queue.list_jobs(limit=50), _LISTS),
    }
    times = {}
    for name, (work, calls) in steps.items():
        with Commands(bench.client) as commands:
            for _ in range(calls):
                work()
        times[name] = commands.server_us / calls
    queue.submit_jobs(specs(_DRAINED, companies=sample.companies, users=sample.users))
    with Commands(bench.client) as commands:
        drain_here(queue, _DRAINED)
    times["drained by a worker"] = commands.server_us / _DRAINED
    return times


def measure(bench: Bench, scenario: str, curve: Curve, samples: Mapping[int, Sample], of: str) -> Result:
    """For each kind of call its time at the size where it is slowest, and the ratio to the smallest."""
    rounds = [{x: _round(bench, sample) for x, sample in samples.items()} for _ in range(bench.size(7, 11))]
    small = min(samples)
    figures, notes = [], []
    for name in rounds[0][small]:
        values = {x: median([seen[x][name] for seen in rounds]) for x in samples}
        for x, value in values.items():
            curve.add(name, x, value)
        grown = {x: [seen[x][name] / seen[small][name] for seen in rounds] for x in samples if x != small}
        slowest, ratios = max(grown.items(), key=lambda of_size: median(of_size[1]))
        ratio = median(ratios)
        figures.append(
            Figure(
                name.replace(", ", "-").replace(" ", "-"), f"{name}, {slowest:,} {of}", values[slowest],
                "us a call" if name.startswith("list") else "us a job", ratio=ratio, of=f"{small:,} {of}",
                noise=noise_of(ratios), aim=f"<= {_AIM}x", met=ratio <= _AIM,
            )
        )  # fmt: skip
        steps = ", ".join(f"{value:.3g} us at {x:,}" for x, value in values.items())
        notes.append(f"{name}: {steps} {of}.")
    for sample in samples.values():
        sample.queue.close()
    return Result(scenario, figures, [curve], notes)
