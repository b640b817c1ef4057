"""What a declared script call is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

R = TypeVar("R")

Arg = str | bytes | int | float  # what redis-py sends as an argument


@dataclass(slots=True)
class Call(Generic[R]):
    """One call of one script: what to send, and how to read the reply."""

    script: str
    tag: str
    args: Sequence[Arg]
    parse: Callable[[Any], R]
    # Whether a client that lost the reply may send it again by itself.
    resend: bool = True


def optional(value: Arg | None) -> Arg:
    """The scripts write "not given" as an empty string."""
    return "" if value is None else value
