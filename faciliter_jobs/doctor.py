"""Checks a live queue against its invariant, from both sides: each record is where it says, and
each list and sorted set names only what belongs there. docs/guarantees.md states the invariant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import scripts
from .scripts import Problem
from .transport import Transport

_PAGE = 200

# The first part of a key's name after the tag -> the rule for its members in check_members.lua.
_FAMILIES = {
    b"index": "index",
    b"scheduled": "scheduled",
    b"leases": "leases",
    b"lane": "lane",
    b"ring": "ring",
    b"inbox": "inbox",
    b"processing": "processing",
    b"completed": "finished",
    b"failed": "finished",
    b"cancelled": "finished",
}


def _escape(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]^\\" else c for c in text)


def _names(transport: Transport, tag: str) -> Iterator[list[bytes]]:
    """Pages of the queue's key names, without the tag."""
    cursor: Any = 0
    skip = len(tag.encode())
    while True:
        cursor, found = transport.command("SCAN", cursor, "MATCH", _escape(tag) + "*", "COUNT", 1000)
        yield [name[skip:] for name in found]
        if int(cursor) == 0:
            return


def _check_structure(transport: Transport, tag: str, family: str, name: bytes) -> Iterator[Problem]:
    start = 0
    while True:
        seen, problems = transport.run(
            scripts.check_members(tag, family=family, name=name, start=start, count=_PAGE)
        )
        yield from problems
        if seen < _PAGE:
            return
        start += seen


def _look(transport: Transport, tag: str) -> Iterator[Problem]:
    for names in _names(transport, tag):
        jobs = [name[4:] for name in names if name.startswith(b"job:")]
        for first in range(0, len(jobs), _PAGE):
            yield from transport.run(scripts.check_jobs(tag, job_ids=jobs[first : first + _PAGE]))
        for name in names:
            family = _FAMILIES.get(name.partition(b":")[0])
            if family:
                yield from _check_structure(transport, tag, family, name)


def examine(transport: Transport, tag: str) -> list[Problem]:
    """What is off, each finding once. A structure that shrinks while it is paged through is only
    seen in part; what is seen is exact, since each script looks at its jobs in one instant."""
    found = {str(problem): problem for problem in _look(transport, tag)}
    return list(found.values())
