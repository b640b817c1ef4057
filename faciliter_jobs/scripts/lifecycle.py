"""Leases and time: lua/heartbeat, leave, lose, release, promote, recover, cleanup, tend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .base import Arg, Call, optional


@dataclass(slots=True)
class Cleaned:
    """How many records a `cleanup` call ended."""

    aged: int  # purged because they finished before the given time
    purged: int  # purged because their ttl had passed
    expired: int  # CANCELLED because their ttl passed before they started
    more: bool  # there may be more whose ttl has passed


def _ids(reply: list[bytes]) -> list[str]:
    return [job_id.decode("utf-8", "replace") for job_id in reply]


def heartbeat(
    tag: str,
    *,
    worker: str,
    lease_ms: int,
    alive_ms: int,
    max_retries: int,
    info: str,
    held: Sequence[tuple[str, str]],
) -> Call[list[str]]:
    """The ids, among the (job_id, token) held, that aren't this worker's any more."""
    args: list[Arg] = [worker, lease_ms, alive_ms, max_retries, info]
    args.extend(part for pair in held for part in pair)
    return Call("heartbeat", tag, args, lambda reply: _ids(reply[1]))


def leave(tag: str, *, worker: str) -> Call[list[str]]:
    """The ids that were given back."""
    return Call("leave", tag, [worker], _ids)


def lose(tag: str, *, worker: str, why: str) -> Call[list[str]]:
    """The ids that the dead worker held. why: how it died, as in "worker lost: NAME was killed"."""
    return Call("lose", tag, [worker, why], _ids)


def release(tag: str, *, worker: str, held: Sequence[tuple[str, str]]) -> Call[list[str]]:
    """The ids, among the (job_id, token) held, that were given back."""
    return Call("release", tag, [worker, *(part for pair in held for part in pair)], _ids)


def promote(tag: str, *, limit: int) -> Call[tuple[int, int | None]]:
    """How many became ready, and the milliseconds until the next does."""

    def parse(reply: Any) -> tuple[int, int | None]:
        return reply[0], None if reply[1] < 0 else reply[1]

    return Call("promote", tag, [limit], parse)


def recover(tag: str, *, limit: int) -> Call[int]:
    """How many leases had passed."""
    return Call("recover", tag, [limit], int)


def tend(tag: str, *, limit: int) -> Call[int | None]:
    """The milliseconds after which to call it again, because more is due; None: nothing is."""
    return Call("tend", tag, [limit], lambda again: None if again < 0 else int(again))


def cleanup(tag: str, *, limit: int, finished_before_ms: int | None) -> Call[Cleaned]:
    args = [limit, optional(finished_before_ms)]

    def parse(reply: Any) -> Cleaned:
        aged, purged, expired, more = reply
        return Cleaned(aged, purged, expired, bool(more))

    return Call("cleanup", tag, args, parse)
