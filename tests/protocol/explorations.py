"""What is explored: by the test suite, and by `make protocol`."""

from __future__ import annotations

from dataclasses import dataclass

from tests.protocol.actors import Bounds, Left
from tests.protocol.calls import Terms


@dataclass(frozen=True)
class Exploration:
    name: str
    bounds: Bounds
    hears: frozenset[str] = frozenset({"completed"})  # words that callers hear at least, else it is void


def _x(name: str, bounds: Bounds, hears: str = "") -> Exploration:
    return Exploration(name, bounds, frozenset({"completed", *hears.split()}))


# At each step the whole lease passes, or all of a job's ttl, in a step or two.
_LEASE_STEP_MS = 11_000

_EXPIRY = Bounds(Left(times=2), want=(1, 1), together=True, terms=Terms(ttl=15, step_ms=8_000))

QUICK = [
    _x("a worker dies at any step", Bounds(Left(crashes=1))),
    _x("and comes back under its name", Bounds(Left(crashes=1, times=1), same_name=True)),
    _x(
        "somebody says which worker died",
        Bounds(Left(crashes=1), together=True, supervised=True),
    ),
    _x("a call of each kind gets no reply", Bounds(Left(losses=1)), "already"),
    _x("leases pass", Bounds(Left(times=2), want=(1, 1), together=True), "stale"),
    _x("workers stop, and give back", Bounds(Left(stops=1, releases=1))),
    _x("handlers fail", Bounds(Left(failures=2)), "retrying"),
    _x(
        "a worker dies with its last retry",
        Bounds(
            Left(crashes=1, times=1), together=True, terms=Terms(own_max_retries=0, step_ms=_LEASE_STEP_MS)
        ),
        "stale",
    ),
    _x(
        "handlers report by themselves",
        Bounds(Left(), inside=("complete", "fail"), terms=Terms(max_retries=1)),
        "already retrying failed",
    ),
    _x(
        "handlers say how far they are",
        Bounds(Left(times=1), together=True, inside=("progress",), terms=Terms(step_ms=_LEASE_STEP_MS)),
        "updated stale",
    ),
    _x(
        "two companies take turns",
        Bounds(Left(failures=1, stops=1), together=True, terms=Terms(companies=("acme", "bolt"))),
        "retrying",
    ),
    _x(
        "a worker runs two jobs at once",
        Bounds(Left(times=1), slots=(2, 1), together=True, terms=Terms(step_ms=_LEASE_STEP_MS)),
        "stale",
    ),
    _x("jobs are of two types", Bounds(Left(stops=1), want=(2, 2), terms=Terms(types=("t", "u")))),
    _x("a job waits for its time", Bounds(Left(times=1, stops=1), terms=Terms(delay=3))),
    _x("somebody cancels", Bounds(Left(), operator=("cancel", "retry")), "cancelled pending stale"),
    _x("somebody completes", Bounds(Left(), operator=("complete", "retry")), "stale finished"),
    _x("somebody fails", Bounds(Left(), operator=("fail", "retry")), "failed pending stale"),
    _x(
        "somebody has it run again",
        Bounds(Left(losses=1), operator=("run_again",), terms=Terms(own_max_retries=0)),
        "retrying pending already stale",
    ),
    _x("jobs expire", _EXPIRY),
]

# Minutes each.
LONG = [
    _x("a worker dies with a call on its way", Bounds(Left(crashes=1, losses=1)), "already"),
    _x("two calls get no reply", Bounds(Left(losses=2), together=True), "already"),
    _x(
        "leases pass while calls are on their way",
        Bounds(Left(losses=1, times=2), want=(1, 1)),
        "already stale",
    ),
    _x(
        "heartbeats are late",
        Bounds(Left(losses=1, times=1, stops=1), want=(1, 1), together=True, late_heartbeats=True),
        "already",
    ),
    _x(
        "workers that run two jobs at once get no replies",
        Bounds(Left(losses=1, times=2), slots=(2, 1), want=(2, 1), together=True),
        "already stale",
    ),
    _x(
        "workers that run two jobs at once die",
        Bounds(Left(crashes=1, times=2), slots=(2, 2), together=True),
        "stale",
    ),
    _x(
        "somebody says which worker died, sooner or later",
        Bounds(Left(crashes=1, times=2), want=(2, 2), together=True, supervised=True),
        "stale",
    ),
    _x(
        "jobs are of two types, and workers die",
        Bounds(Left(crashes=1, times=2), together=True, terms=Terms(types=("t", "u"))),
        "stale",
    ),
    _x("both workers die, and leases pass", Bounds(Left(crashes=2, times=2), together=True), "stale"),
    _x(
        "a worker that comes back meets its own late calls",
        Bounds(
            Left(crashes=1, losses=1, times=1),
            want=(1, 1),
            together=True,
            same_name=True,
            terms=Terms(step_ms=_LEASE_STEP_MS),
        ),
        "already stale",
    ),
    _x(
        "workers that are gone are forgotten",
        Bounds(
            Left(crashes=1, times=2, stops=1),
            together=True,
            terms=Terms(alive_ms=10_000, step_ms=_LEASE_STEP_MS),
        ),
        "stale",
    ),
    _x(
        "retries are used up by deaths and failures",
        Bounds(
            Left(crashes=1, times=2, failures=1),
            want=(1, 1),
            together=True,
            terms=Terms(max_retries=1, step_ms=_LEASE_STEP_MS),
        ),
        "stale retrying failed",
    ),
    _x(
        "jobs are given back while calls are on their way",
        Bounds(Left(releases=2, losses=1, stops=1), together=True),
        "already",
    ),
    _x(
        "handlers report by themselves, and calls get no reply",
        Bounds(Left(losses=1, times=1), want=(1, 1), together=True, inside=("complete", "fail")),
        "already stale",
    ),
    _x(
        "an operator, dying workers and lost replies",
        Bounds(Left(crashes=1, losses=1), want=(1, 1), together=True, operator=("cancel", "retry")),
        "cancelled pending stale already",
    ),
    _x(
        "an operator, and leases that pass",
        Bounds(Left(times=2), together=True, operator=("fail", "retry", "complete")),
        "failed pending stale",
    ),
    _x(
        "jobs expire while workers die",
        Bounds(Left(times=2, crashes=1, failures=1), together=True, terms=_EXPIRY.terms),
    ),
]
