"""Checks a live queue against its invariant, from both sides: each record is where it says, and
each list and sorted set names only what belongs there. docs/guarantees.md states the invariant.
"""

from __future__ import annotations

from typing import Any

from . import scripts
from .scripts import Command, Problem, Steps

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


def _check_structure(tag: str, family: str, name: bytes) -> Steps[list[Problem]]:
    found: list[Problem] = []
    start = 0
    while True:
        seen, problems = yield scripts.check_members(tag, family=family, name=name, start=start, count=_PAGE)
        found += problems
        if seen < _PAGE:
            return found
        start += seen


def _check_page(tag: str, names: list[bytes]) -> Steps[list[Problem]]:
    """Of keys by their names without the tag: the jobs, then each list and sorted set."""
    found: list[Problem] = []
    jobs = [name[4:] for name in names if name.startswith(b"job:")]
    for first in range(0, len(jobs), _PAGE):
        found += yield scripts.check_jobs(tag, job_ids=jobs[first : first + _PAGE])
    for name in names:
        family = _FAMILIES.get(name.partition(b":")[0])
        if family:
            found += yield from _check_structure(tag, family, name)
    return found


def examine(tag: str) -> Steps[list[Problem]]:
    """What is off, each finding once. A structure that shrinks while it is paged through is only
    seen in part; what is seen is exact, since each script looks at its jobs in one instant."""
    found: dict[str, Problem] = {}
    cursor: Any = 0
    skip = len(tag.encode())
    while True:
        cursor, keys = yield Command(("SCAN", cursor, "MATCH", _escape(tag) + "*", "COUNT", 1000))
        problems = yield from _check_page(tag, [key[skip:] for key in keys])
        found |= {str(problem): problem for problem in problems}
        if int(cursor) == 0:
            return list(found.values())
