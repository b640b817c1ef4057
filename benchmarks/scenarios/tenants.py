"""Whether a job costs the server more when many companies take turns, or when many users have jobs: the
number of one grows, that of the other stays."""

from __future__ import annotations

from ..bench import Bench
from ..figures import Curve, Result
from .growth import filled, measure
from .registry import scenario

_USERS = 10_000
_COMPANIES = 100


def _grow(bench: Bench, name: str, what: str, sizes: dict[int, tuple[int, int]]) -> Result:
    """sizes: how many of `what` there are, and then companies, and users of each."""
    number = bench.size(20_000, 100_000)
    samples = {n: filled(bench, i, number, *size) for i, (n, size) in enumerate(sizes.items(), 1)}
    result = measure(bench, name, Curve(f"Script time by {what}", what, "us"), samples, what)
    result.notes.append(f"{number:,} jobs wait in each queue.")
    return result


@scenario("tenants", f"script time a job of 1, 100 and 10,000 companies with {_USERS:,} users in all")
def tenants(bench: Bench) -> Result:
    sizes = {n: (n, _USERS // n) for n in (1, 100, 10_000)}
    return _grow(bench, "tenants", "companies", sizes)


@scenario("users", f"script time a job of {_COMPANIES} companies with 100, 1,000 and 10,000 users in all")
def users(bench: Bench) -> Result:
    sizes = {n: (_COMPANIES, n // _COMPANIES) for n in (100, 1_000, 10_000)}
    return _grow(bench, "users", "users", sizes)
