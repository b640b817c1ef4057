"""Checks a live queue against its invariant, from both sides: each record is where it says, and
each list, set and hash names only what belongs there. docs/guarantees.md states the invariant,
docs/doctor.md each finding and its mend. Without I/O: the steps are run by the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any

from . import keys, scripts
from .record import unreadable_fields
from .scripts import Command, Problem, Steps

_PAGE = 200
_ROUNDS = 6  # a mend may bring another thing to light, such as a ring without its lane

# The first part of a key's name after the tag -> the rule for its members in belongs.lua.
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
    b"expiry": "expiry",
    b"workers": "workers",
}


def examine(tag: str, *, repair: bool = False) -> Steps[list[Problem]]:
    """What is off, each finding once; with `repair`, what was off, and in `mended` what was done.

    A structure that shrinks while it is paged through is only seen in part; what is seen is exact,
    since each script looks at its jobs in one instant, and mends in that same instant.
    """
    found: dict[str, Problem] = {}
    if repair:
        patient = _Patient(tag, mend=True)
        for _ in range(_ROUNDS):
            problems = yield from patient.pages(patient.look_at_keys)
            problems += yield from patient.pages(patient.look_inside)
            if not problems:
                return list(found.values())
            found |= {str(problem): problem for problem in problems}
    patient = _Patient(tag, mend=False)
    problems = yield from patient.pages(patient.look_at_all)
    return list((found | {str(problem): problem for problem in problems}).values())


def _escape(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]^\\" else c for c in text)


def _parts(items: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [items[first : first + _PAGE] for first in range(0, len(items), _PAGE)]


def _subjects(problems: Sequence[Problem]) -> list[bytes]:
    return list(dict.fromkeys(problem.raw for problem in problems))


class _Patient:
    """The looks at one queue; with `mend`, each mends what it finds, and gives what it has mended."""

    def __init__(self, tag: str, *, mend: bool) -> None:
        self._tag = tag
        self._mend = mend

    def pages(self, look: Callable[[list[bytes]], Steps[list[Problem]]]) -> Steps[list[Problem]]:
        """`look` at each page of the queue's keys, by their names without the tag."""
        found: list[Problem] = []
        cursor: Any = 0
        skip = len(self._tag.encode())
        while True:
            pattern = _escape(self._tag) + "*"
            cursor, page = yield Command(("SCAN", cursor, "MATCH", pattern, "COUNT", 1000))
            found += yield from look([key[skip:] for key in page])
            if int(cursor) == 0:
                return found

    def look_at_all(self, names: list[bytes]) -> Steps[list[Problem]]:
        found = yield from self.look_at_keys(names)
        bad = {problem.raw for problem in found}
        found += yield from self.look_inside([name for name in names if name not in bad])
        return found

    def look_at_keys(self, names: list[bytes]) -> Steps[list[Problem]]:
        """Types of keys, workers' hashes, the counter."""
        found: list[Problem] = []
        others = [name for name in names if not name.startswith(b"job:")]
        for part in _parts(others):
            problems = yield scripts.check_keys(self._tag, names=part)
            if problems and self._mend:
                problems = yield scripts.repair_keys(self._tag, names=_subjects(problems))
            found += problems
        return found

    def look_inside(self, names: list[bytes]) -> Steps[list[Problem]]:
        """Records, and then what each list, set and hash names."""
        found: list[Problem] = []
        for part in _parts([name[4:] for name in names if name.startswith(b"job:")]):
            found += yield from self._jobs(part)
            found += yield from self._contents(part)
        for name in names:
            family = _FAMILIES.get(name.partition(b":")[0]) or ("parked" if name == b"parked" else "")
            if family:
                found += yield from self._members(family, name)
            elif name in (b"types", b"homes"):
                found += yield from self._entries(name.decode(), is_hash=name == b"homes")
        return found

    def _jobs(self, job_ids: Sequence[bytes]) -> Steps[list[Problem]]:
        problems: list[Problem] = yield scripts.check_jobs(self._tag, job_ids=job_ids)
        if problems and self._mend:
            problems = yield scripts.repair_jobs(self._tag, job_ids=_subjects(problems))
        return problems

    def _contents(self, job_ids: Sequence[bytes]) -> Steps[list[Problem]]:
        """What only a whole record shows: payloads that can't be decoded, fields that can't be read."""
        found: list[Problem] = []
        while job_ids:
            page = yield scripts.records(self._tag, max_bytes=scripts.MAX_PAGE_BYTES, job_ids=job_ids)
            for job_id, fields in page:
                # What a worker has been given is for the worker to judge.
                if fields and fields.get(b"status") != b"processing":
                    for name, stored, reason in unreadable_fields(fields):
                        found.append((yield from self._field(job_id, name, stored, reason)))
            job_ids = job_ids[len(page) :]
        return found

    def _field(self, job_id: bytes, name: str, stored: bytes, reason: str) -> Steps[Problem]:
        problem = Problem(job_id.decode("utf-8", "replace"), reason, "field", raw=job_id)
        if self._mend:
            problem.mended = yield scripts.repair_field(
                self._tag, job_id=job_id, field=name, sha1=sha1(stored).hexdigest(), reason=reason
            )
        return problem

    def _members(self, family: str, name: bytes) -> Steps[list[Problem]]:
        found: list[Problem] = []
        start = 0
        while True:
            call = scripts.check_members(self._tag, family=family, name=name, start=start, count=_PAGE)
            seen, problems = yield call
            found += yield from self._dropped(family, name, problems)
            if seen < _PAGE:
                return found
            start += seen - (len(problems) if self._mend else 0)

    def _entries(self, family: str, *, is_hash: bool) -> Steps[list[Problem]]:
        found: list[Problem] = []
        cursor: Any = 0
        while True:
            key = keys.named(self._tag, family)
            if is_hash:
                cursor, page = yield Command(("HSCAN", key, cursor, "COUNT", _PAGE))
            else:
                cursor, page = yield Command(("SSCAN", key, cursor, "COUNT", _PAGE))
            entries = page[::2] if is_hash else page
            for part in _parts(entries):
                problems = yield scripts.check_entries(self._tag, family=family, entries=part)
                found += yield from self._dropped(family, family.encode(), problems)
            if int(cursor) == 0:
                return found

    def _dropped(self, family: str, name: bytes, problems: list[Problem]) -> Steps[list[Problem]]:
        if problems and self._mend:
            members = _subjects(problems)
            problems = yield scripts.repair_members(self._tag, family=family, name=name, members=members)
        return problems
