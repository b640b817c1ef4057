"""When which job ran: a file that handlers append to and the harness reads.

It costs the handler microseconds and the server nothing, works across processes and forks, and
survives `kill -9`. It needs the standard library alone, as it is used in the peers' environments too.
One record is three 64-bit numbers: process id, number (of the job, or how many have run), CLOCK_MONOTONIC
in nanoseconds, which all processes of a machine share.
"""

from __future__ import annotations

import itertools
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_RECORD = struct.Struct("<qqq")

PAYLOAD_BYTES = 100


def payload(number: int) -> str:
    """100 bytes that begin with the job's number."""
    return f"{number:08d}".ljust(PAYLOAD_BYTES, "x")


def number_of(text: str) -> int:
    return int(text[:8])


class Run(NamedTuple):
    pid: int
    number: int
    at: float  # seconds on CLOCK_MONOTONIC


class Tally:
    """The handlers' side."""

    def __init__(self, path: str | Path, every: int = 1) -> None:
        """every: 1 to note each job by its number, n to note only each n-th count (a write costs as
        much as a tenth of a quick job), 0 to note only the first, and the last by `close`."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._every = every
        self._count = itertools.count(1)
        self._last = (0, 0)

    def noter(self) -> Callable[[str], None]:
        return self._note_each if self._every == 1 else self._note_count

    def _note_each(self, text: str) -> None:
        self._write(number_of(text), time.monotonic_ns())

    def _note_count(self, _text: str) -> None:
        count, now = next(self._count), time.monotonic_ns()
        self._last = (count, now)
        if count == 1 or (self._every and count % self._every == 0):
            self._write(count, now)

    def close(self) -> None:
        if self._last[0]:
            self._write(*self._last)
        os.close(self._file)

    def _write(self, number: int, now: int) -> None:
        os.write(self._file, _RECORD.pack(os.getpid(), number, now))


def read_tally(path: str | Path) -> list[Run]:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    whole = len(data) - len(data) % _RECORD.size
    return [Run(pid, number, at / 1e9) for pid, number, at in _RECORD.iter_unpack(data[:whole])]


def records_in(path: str | Path) -> int:
    try:
        return Path(path).stat().st_size // _RECORD.size
    except FileNotFoundError:
        return 0
