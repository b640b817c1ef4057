"""Whether a job costs the server more when many companies take turns."""

from __future__ import annotations

from ..bench import Bench
from ..figures import Curve, Result
from .growth import filled, measure
from .registry import scenario


@scenario("tenants", "script time a job with 1, 100 and 10,000 companies")
def tenants(bench: Bench) -> Result:
    number = bench.size(20_000, 100_000)
    samples = {n: filled(bench, i, number, n) for i, n in enumerate((1, 100, 10_000), 1)}
    curve = Curve("Script time by companies", "companies", "us")
    result = measure(bench, "tenants", curve, samples, "companies")
    result.notes.append(f"{number:,} jobs wait in each queue.")
    return result
