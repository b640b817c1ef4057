"""Sizes of memory: as people write them, and what a process has resident."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import InvalidArgumentError

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmg])(?:i?b|i)?|b)?\s*", re.IGNORECASE)
_LEAST = 1 << 20


def parse_size(value: int | str, name: str) -> int:
    """Bytes in 536870912, "512MB", "512 MiB", "512Mi", "0.5g"; a kilobyte is 1,024 bytes.

    Raises InvalidArgumentError, also below 1 MB, which no Python process stays under.
    """
    found = _SIZE.fullmatch(str(value))
    if not found:
        raise InvalidArgumentError(f"{name}: {value!r} is no size such as 512MB or 1.5GB")
    size = int(float(found[1]) * _UNITS[(found[2] or "").lower()])
    if size < _LEAST:
        raise InvalidArgumentError(f"{name}: {value!r} is less than 1MB")
    return size


def in_words(size: int) -> str:
    return f"{size / (1 << 30):.1f} GB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MB"


def can_be_read() -> bool:
    return Path("/proc/self/statm").exists()


def resident(pid: int) -> int | None:
    """Bytes that a process and all that it started have resident; None where /proc doesn't tell.

    Pages that they share count for each: with forked pools this is an upper bound.
    """
    own = _resident_alone(pid)
    if own is None:
        return None
    return own + sum(resident(child) or 0 for child in _children(pid))


def _resident_alone(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        return found  # it has ended, or the kernel doesn't list children
    return found
