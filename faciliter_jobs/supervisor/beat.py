"""What a child tells the supervisor: a JSON object per line on a pipe."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, dataclass
from typing import Any, Literal

EVERY = 0.5  # seconds between two beats
EVERY_AT_FIRST = 0.05  # until the worker serves jobs
RETIRE = signal.SIGHUP  # to a child: end after your running jobs, however long they take
FAILED = 3  # a child's exit code after it told of a Failure
GRACE = 5.0  # seconds between the last signal to a child and its end by force

_MAX_TEXT = 16_000  # characters of a traceback: a pipe holds 64 kB


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life. turned_ago: seconds since the worker's loop turned; None before it runs.
    shutdown_timeout: the worker's own, in seconds. name, queue: the worker's name, and its queue's
    place and tag (no password)."""

    running: bool = False
    connected: bool = False
    active: int = 0
    done: int = 0
    turned_ago: float | None = None
    abandoned: int = 0
    shutdown_timeout: float | None = None
    name: str = ""
    queue: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a child can't run. "target": what it was told to load; "server": Redis can't be reached, or
    (usage) not be used; "worker": the worker ended with an error."""

    kind: Literal["target", "server", "worker"]
    message: str
    traceback: str = ""
    usage: bool = False  # told wrongly, rather than broken


def encode(news: Beat | Failure) -> bytes:
    fields = asdict(news)
    if isinstance(news, Failure):
        fields["message"] = news.message[:_MAX_TEXT]
        fields["traceback"] = news.traceback[-_MAX_TEXT:]
    return json.dumps({"is": type(news).__name__, **fields}).encode() + b"\n"


def decode(line: bytes) -> Beat | Failure:
    fields: dict[str, Any] = json.loads(line)
    return Failure(**fields) if fields.pop("is") == "Failure" else Beat(**fields)
