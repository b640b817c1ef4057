"""Whether a job costs the server more when many others wait: script time at growing backlogs."""

from __future__ import annotations

from ..bench import Bench
from ..figures import Curve, Result
from .growth import filled, measure
from .registry import scenario

_COMPANIES = 100


@scenario("backlog", "script time a job with 1 k and 20 k (full: 1 k, 100 k, 1 M) jobs waiting")
def backlog(bench: Bench) -> Result:
    depths = bench.size((1_000, 20_000), (1_000, 100_000, 1_000_000))
    samples = {depth: filled(bench, i, depth, _COMPANIES) for i, depth in enumerate(depths, 1)}
    curve = Curve("Script time by backlog", "jobs waiting", "us")
    return measure(bench, "backlog", curve, samples, "waiting")
