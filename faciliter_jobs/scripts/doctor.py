"""The doctor's looks and mends: lua/read/check_*, lua/read/records, lua/repair_*."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..record import Fields, fields_of
from .base import Arg, Call


@dataclass(slots=True)
class Problem:
    """Something that breaks the queue's invariant."""

    subject: str  # a job's id, a member of a structure, or a key without the tag
    text: str
    kind: str = ""  # place, lease, ring, finished, home, index, expiry, record, field, member, key, seq
    mended: str = ""  # what the doctor did about it
    raw: bytes = b""  # the subject, as it is stored

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _problems(reply: list[list[bytes]]) -> list[Problem]:
    """Of {subject, kind, problem, what was done (by a mend)}..."""
    found = []
    for raw, *texts in reply:
        kind, text, mended = (*map(_shown, texts), "")[:3]
        found.append(Problem(_shown(raw), text, kind, mended, raw))
    return found


def check_jobs(tag: str, *, job_ids: Sequence[str | bytes]) -> Call[list[Problem]]:
    return Call("read/check_jobs", tag, list(job_ids), _problems)


def check_members(
    tag: str, *, family: str, name: bytes, start: int, count: int
) -> Call[tuple[int, list[Problem]]]:
    """How many members were looked at, and what is wrong with them."""
    args: list[Arg] = [family, name, start, count]
    return Call("read/check_members", tag, args, lambda reply: (reply[0], _problems(reply[1])))


def check_entries(tag: str, *, family: str, entries: Sequence[bytes]) -> Call[list[Problem]]:
    return Call("read/check_entries", tag, [family, *entries], _problems)


def check_keys(tag: str, *, names: Sequence[bytes]) -> Call[list[Problem]]:
    return Call("read/check_keys", tag, list(names), _problems)


def records(tag: str, *, max_bytes: int, job_ids: Sequence[str | bytes]) -> Call[list[tuple[bytes, Fields]]]:
    def parse(reply: Any) -> list[tuple[bytes, Fields]]:
        return [(job_id, fields_of(flat)) for job_id, flat in reply]

    return Call("read/records", tag, [max_bytes, *job_ids], parse)


def repair_jobs(tag: str, *, job_ids: Sequence[str | bytes]) -> Call[list[Problem]]:
    """What was mended. So do the other repairs say."""
    return Call("repair_jobs", tag, list(job_ids), _problems)


def repair_members(tag: str, *, family: str, name: bytes, members: Sequence[bytes]) -> Call[list[Problem]]:
    return Call("repair_members", tag, [family, name, *members], _problems)


def repair_keys(tag: str, *, names: Sequence[bytes]) -> Call[list[Problem]]:
    return Call("repair_keys", tag, list(names), _problems)


def repair_field(tag: str, *, job_id: str | bytes, field: str, sha1: str, reason: str) -> Call[str]:
    """What was done; "" when the record has changed since it was read."""
    return Call("repair_field", tag, [job_id, field, sha1, reason], _shown)
