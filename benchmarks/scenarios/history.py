"""Whether a job costs the server more when many others have ended: script time at growing histories."""

from __future__ import annotations

from ..bench import Bench
from ..figures import Curve, Result
from .growth import filled, measure
from .lifecycle import drain_here
from .registry import scenario

_COMPANIES = 100


@scenario("history", "script time a job with 1 k and 20 k (full: 1 k, 100 k, 300 k) jobs that have ended")
def history(bench: Bench) -> Result:
    depths = bench.size((1_000, 20_000), (1_000, 100_000, 300_000))
    samples = {depth: filled(bench, i, depth, _COMPANIES) for i, depth in enumerate(depths, 1)}
    for depth, full in samples.items():
        drain_here(full.queue, depth)
    curve = Curve("Script time by history", "jobs that have ended", "us")
    return measure(bench, "history", curve, samples, "ended")
