"""What a declared script call is, and what is made of several."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgpack

R = TypeVar("R")

Arg = str | bytes | int | float  # what redis-py sends as an argument

MAX_PAGE_BYTES = 4_000_000  # of records in one reply, and one record more: the server serves nobody meanwhile


@dataclass(slots=True)
class Call(Generic[R]):
    """One call of one script: what to send, and how to read the reply."""

    script: str
    tag: str
    args: Sequence[Arg]
    parse: Callable[[Any], R]
    # Whether a client that lost the reply may send it again by itself.
    resend: bool = True
    # Whether one that may not looks first whether the server has closed the connection meanwhile.
    looks: bool = True


def _as_it_is(reply: Any) -> Any:
    return reply


@dataclass(slots=True)
class Command(Generic[R]):
    """A plain command of the server's own that may be sent twice."""

    args: tuple[Arg, ...]
    parse: Callable[[Any], R] = _as_it_is


# Yields calls and commands one after the other, is sent the reply to each, and returns R.
Steps = Generator["Call[Any] | Command[Any]", Any, R]


def unpacked(reply: bytes) -> Any:
    """A packed part of a reply, as it would have come unpacked, which costs the server more (decision 23)."""
    return msgpack.unpackb(reply, raw=True)


def optional(value: Arg | None) -> Arg:
    """The scripts write "not given" as an empty string."""
    return "" if value is None else value
