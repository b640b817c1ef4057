"""lua/claim.lua, park.lua, read/handed.lua, adopt.lua, turn.lua: how a worker gets jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..record import Claimed, claimed_from_reply
from .base import Arg, Call, R, unpacked
from .finish import Ending, ending_of


@dataclass(slots=True)
class Parked:
    """The outcome of `park`: jobs, or how long to wait on the inbox."""

    jobs: list[Claimed]
    wait_ms: int | None  # until the next scheduled job is due; None: nothing is scheduled


@dataclass(slots=True)
class Turned:
    """The outcome of `turn`."""

    endings: list[Ending]
    jobs: list[Claimed]
    parked: Parked | None = None  # the worker is registered as waiting: there are no jobs


@dataclass(slots=True)
class Outcome:
    """How an attempt ended, for `turn`: the fields that turn.lua takes for each, in its order."""

    job_id: str
    token: str
    ending: str  # 'completed', 'failed' or 'postponed'
    payload: bytes | str  # the packed result, or the error (bytes: encrypted)
    traceback: str | bytes = ""
    retry_delay_ms: int = 0
    max_retries: int = 0

    def args(self) -> tuple[Arg, ...]:
        return (
            self.job_id,
            self.token,
            self.ending,
            self.payload,
            self.traceback,
            self.retry_delay_ms,
            self.max_retries,
        )


def _jobs_for(worker: str) -> Callable[[Any], list[Claimed]]:
    """What reads the jobs of a reply, {now, jobs}."""

    def parse(reply: Any) -> list[Claimed]:
        now, jobs = reply
        return claimed_from_reply(unpacked(jobs), worker, now)

    return parse


def _wait(wait_ms: int) -> int | None:
    return None if wait_ms < 0 else wait_ms


def claim(tag: str, *, worker: str, lease_ms: int, want: int, types: Sequence[str]) -> Call[list[Claimed]]:
    return Call("claim", tag, [worker, lease_ms, want, *types], _jobs_for(worker), resend=False)


def park(
    tag: str,
    *,
    worker: str,
    lease_ms: int,
    park_ms: int,
    want: int,
    slots: int = 1,
    tend_limit: int,
    types: Sequence[str],
    known: Sequence[str],
) -> Call[Parked]:
    def parse(reply: Any) -> Parked:
        now, wait_ms, jobs = reply
        return Parked(claimed_from_reply(unpacked(jobs), worker, now), _wait(wait_ms))

    args: list[Arg] = [worker, lease_ms, park_ms, want, slots, tend_limit, len(types), *types, *known]
    return Call("park", tag, args, parse, resend=False)


def handed(tag: str, *, worker: str, read: Callable[[Any], R]) -> Call[R]:
    """The server's time, and the id and record of the job that BLMOVE has brought, as `read` takes them."""
    return Call("read/handed", tag, [worker], read)


def adopt(tag: str, *, worker: str, lease_ms: int, known: Sequence[str]) -> Call[list[Claimed]]:
    return Call("adopt", tag, [worker, lease_ms, *known], _jobs_for(worker))


def turn(
    tag: str,
    *,
    worker: str,
    lease_ms: int,
    want: int,
    slots: int = 1,
    park_ms: int = 0,
    types: Sequence[str],
    outcomes: Sequence[Outcome],
) -> Call[Turned]:
    def parse(reply: Any) -> Turned:
        now, words, jobs, *wait_ms = reply
        endings = [ending_of(word) for word in unpacked(words)]
        claimed = claimed_from_reply(unpacked(jobs), worker, now)
        return Turned(endings, claimed, Parked([], _wait(*wait_ms)) if wait_ms else None)

    args: list[Arg] = [worker, lease_ms, want, slots, park_ms, len(types), *types]
    args.extend(arg for outcome in outcomes for arg in outcome.args())
    # A busy worker's connection isn't idle, and a worker knows what to do when its call fails.
    return Call("turn", tag, args, parse, resend=want == 0, looks=False)
