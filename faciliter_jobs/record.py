"""Records as the scripts keep them (one hash per job) to `Job` objects."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from . import codec
from .encryption import MARK, Cipher, check_plain, key_id_of
from .errors import EncryptionError, UndecodableError
from .job import Job, JobStatus

Fields = dict[bytes, bytes]

log = logging.getLogger("faciliter_jobs")

_PAYLOAD = re.compile(rb"(in|metadata|result)\d*$")
_ESSENTIAL = {b"status", b"type", b"at", b"updated_at", b"co", b"u", b"session", b"error"}
_PIECE = 63  # payload.lua cuts short payloads into pieces of this size


def fields_of(flat: Iterable[bytes]) -> Fields:
    """HGETALL's flat reply as a dict."""
    pairs = iter(flat)
    return dict(zip(pairs, pairs))


@lru_cache(maxsize=1024)  # the jobs of a batch share many of their times
def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _said(value: bytes) -> str:
    if value.startswith(MARK):
        check_plain(value, "a text")
    return _text(value)


# What may be encrypted, and as which field.
_SEALED = {
    b"in": "input_data",
    b"metadata": "metadata",
    b"result": "result",
    b"error": "error",
    b"last_error": "error",
    b"traceback": "traceback",
    b"progress_message": "progress_message",
}


def _opened(job_id: str, fields: Fields, cipher: Cipher) -> Fields:
    """The fields without encryption."""
    opened = dict(fields)
    for name, field in _SEALED.items():
        value = fields.get(name)
        if value is None or not value.startswith(MARK):
            continue
        if _PAYLOAD.match(name):
            value = _joined(fields, name)
            for piece in [key for key in opened if key.startswith(name) and _PAYLOAD.match(key)]:
                del opened[piece]
        opened[name] = cipher.open(value, job_id, field)
    return opened


def _stored_metadata(fields: Fields) -> dict[str, Any] | None:
    stored = _packed(fields, b"metadata", "metadata")
    if stored is not None and not isinstance(stored, dict):
        raise UndecodableError(f"metadata: expected a dict, found {type(stored).__name__}")
    return stored


def _metadata(fields: Fields) -> dict[str, Any] | None:
    stored = _stored_metadata(fields)
    metadata: dict[str, Any] = stored or {}
    if b"retries" in fields:
        metadata["retry_count"] = int(fields[b"retries"])
    failed = fields.get(b"error") if fields.get(b"status") == b"failed" else None
    last_error = failed or fields.get(b"last_error")
    if last_error is not None:
        metadata["last_error"] = _said(last_error)
    return metadata or (None if stored is None else {})


def _packed(fields: Fields, name: bytes, shown_as: str) -> Any:
    """A payload, which may be stored in pieces: `in`, `in1`, `in2`..."""
    return codec.unpack(_joined(fields, name), shown_as) if name in fields else None


def _joined(fields: Fields, name: bytes) -> bytes:
    stored = fields[name]
    if len(stored) == _PIECE:
        count = 1
        while more := fields.get(b"%s%d" % (name, count)):
            stored += more
            count += 1
    return stored


_STATUSES = {status.value.encode(): status for status in JobStatus}

# Fields that a record may have or not, the attribute of Job that shows each, and how it is read.
_OPTIONAL: dict[bytes, tuple[str, Callable[[bytes], Any]]] = {
    b"co": ("company_id", _text),
    b"u": ("user_id", _text),
    b"session": ("session_id", _text),
    b"progress": ("progress", int),
    b"progress_message": ("progress_message", _said),
    b"error": ("error", _said),
    b"attempt": ("attempt", int),
    b"worker": ("worker", _text),
    b"due_at": ("due_at", lambda value: iso(int(value))),
    b"started_at": ("started_at", lambda value: iso(int(value))),
    b"traceback": ("traceback", _said),
    b"max_retries": ("max_retries", int),
    b"timeout_ms": ("timeout", lambda value: int(value) / 1000),
    b"retry_delay_ms": ("retry_delay", lambda value: int(value) / 1000),
}
_IN_METADATA = (b"metadata", b"retries", b"last_error", b"error")


def _updated_at(fields: Fields, created_at: int) -> int:
    updated_at = max(created_at, int(fields.get(b"started_at", 0)))
    return max(updated_at, int(fields.get(b"updated_at", 0)))


def _read(job_id: str, fields: Fields) -> Job:
    """A worker does this for each job that it runs: only what is there is looked at."""
    status = _STATUSES[fields[b"status"]]
    created_at = int(fields[b"at"])
    updated_at = iso(_updated_at(fields, created_at))
    job = Job(job_id, fields[b"type"].decode(), status, iso(created_at), updated_at)
    for name, value in fields.items():
        if name in _OPTIONAL:
            attribute, read = _OPTIONAL[name]
            setattr(job, attribute, read(value))
    job.input_data = _packed(fields, b"in", "input_data")
    if any(name in fields for name in _IN_METADATA):
        job.metadata = _metadata(fields)
    if b"returned" in fields:
        job.attempt -= int(fields[b"returned"])
    if status is JobStatus.PENDING and b"worker" in fields:
        job.attempt = max(0, job.attempt - 1)  # handed over: it has its number, and isn't begun
    if status.is_terminal:
        job.finished_at = updated_at
        job.result = _packed(fields, b"result", "result")
        if status is JobStatus.COMPLETED:
            job.progress = 100
    return job


def job_from_fields(job_id: str, fields: Fields, cipher: Cipher | None = None) -> Job:
    """Raises UndecodableError when the record is damaged, MissingKeyError when `cipher` lacks its key."""
    try:
        return _read(job_id, fields if cipher is None else _opened(job_id, fields, cipher))
    except UndecodableError:
        raise
    except (KeyError, ValueError, TypeError, OverflowError, OSError) as error:
        raise UndecodableError(f"job {job_id}: damaged record: {error!r}") from error


def unreadable_fields(fields: Fields) -> list[tuple[str, bytes, str]]:
    """Name, stored bytes and reason of each field that `job_from_fields` can't read."""
    found = []
    for name, read in _READERS.items():
        if key_id_of(fields.get(name, b"")) is not None:
            continue  # encrypted: whoever has the key can judge it
        try:
            read(fields)
        except (ValueError, OverflowError, OSError) as error:
            reason = str(error) if isinstance(error, UndecodableError) else f"{name.decode()}: {error}"
            found.append((name.decode(), b"".join(_pieces(fields, name)), reason))
    return found


def _pieces(fields: Fields, name: bytes) -> list[bytes]:
    """The parts that a payload is stored in."""
    parts: list[bytes] = []
    while (part := fields.get(b"%s%d" % (name, len(parts)) if parts else name)) is not None:
        parts.append(part)
    return parts


def _reader(name: bytes) -> Callable[[Fields], Any]:
    read = _OPTIONAL[name][1]
    return lambda fields: read(fields[name]) if name in fields else None


# Those that the scripts don't look at themselves.
_READERS: dict[bytes, Callable[[Fields], Any]] = {
    b"in": lambda fields: _packed(fields, b"in", "input_data"),
    b"metadata": _stored_metadata,
    b"result": lambda fields: _packed(fields, b"result", "result"),
    b"type": lambda fields: fields[b"type"].decode(),
    **{name: _reader(name) for name in (b"progress", b"started_at", b"retry_delay_ms", b"timeout_ms")},
}


def read_job(job_id: str, fields: Fields, cipher: Cipher | None = None) -> Job:
    """As job_from_fields; a job that FAILED because its record is damaged is shown without the rest."""
    try:
        return job_from_fields(job_id, fields, cipher)
    except UndecodableError as error:
        if isinstance(error, EncryptionError) or fields.get(b"status") != b"failed":
            raise
        essential = {k: v for k, v in fields.items() if k in _ESSENTIAL}
        return job_from_fields(job_id, essential, cipher)


def listed_job(job_id: str, fields: Fields, cipher: Cipher | None = None) -> Job | None:
    """For listings, which one damaged record must not stop: the job without its payloads and what else
    is encrypted, and with the damage as its error; None when not even that can be read."""
    try:
        return job_from_fields(job_id, fields, cipher)
    except UndecodableError as error:
        damage = str(error)
    plain = {k: v for k, v in fields.items() if not (_PAYLOAD.match(k) or v.startswith(MARK))}
    try:
        job = read_job(job_id, plain)
        return job if job.status is JobStatus.FAILED and job.error else replace(job, error=damage)
    except UndecodableError:
        log.warning("job %s is left out of a listing: %s", job_id, damage)
        return None


@dataclass(slots=True)
class Claimed:
    """An attempt that a worker has been given."""

    job_id: str
    token: str  # names this attempt; the scripts refuse any other (fencing)
    fields: Fields  # the record

    @property
    def job_type(self) -> str:
        return self.fields.get(b"type", b"").decode("utf-8", "replace")

    def job(self, cipher: Cipher | None = None) -> Job:
        """Raises as `job_from_fields` does."""
        return job_from_fields(self.job_id, self.fields, cipher)


_SOON = 5_000  # ms: a job that expires so soon, the server decides on


def begun_from_reply(reply: Any, worker: str, max_retries: int) -> Claimed | None:
    """The attempt that `adopt` will begin for a worker that was handed the job, from {now, job_id, record}.

    None when that is for the server to say first: the job must not run twice (`max_retries`: the worker's,
    for a job without its own), is about to expire, isn't this worker's any more, or its record is odd.
    """
    if not reply:
        return None
    now, job_id, flat = reply
    fields, by = fields_of(flat), worker.encode()
    try:
        seq, attempt = int(fields[b"seq"]), int(fields[b"attempt"])
        since = max(int(fields.get(name, b"0")) for name in (b"at", b"updated_at", b"due_at"))
        is_ours = (fields[b"status"], fields[b"worker"]) == (b"pending", by)
        is_tried_again = int(fields.get(b"max_retries", max_retries)) > 0
        lives_on = since + int(fields[b"ttl"]) > now + _SOON
    except (KeyError, ValueError):
        return None
    if not (is_ours and is_tried_again and lives_on):
        return None
    return _claimed(job_id, b"%d.%d" % (seq, attempt), fields, by, b"%d" % now)


def claimed_from_reply(entries: list[Any], worker: str, now: int) -> list[Claimed]:
    """Each entry is {job_id, token, record as it was before this attempt}."""
    by, stamp = worker.encode(), b"%d" % now
    return [_claimed(job_id, token, fields_of(flat), by, stamp) for job_id, token, flat in entries]


def _claimed(job_id: bytes, token: bytes, fields: dict[bytes, bytes], by: bytes, stamp: bytes) -> Claimed:
    if fields.get(b"status") == b"pending":
        fields[b"started_at"] = stamp
        if b"progress" in fields:
            del fields[b"progress"]
            fields.pop(b"progress_message", None)
    fields[b"status"] = b"processing"
    fields[b"attempt"] = token.rpartition(b".")[2]
    fields[b"worker"] = by
    return Claimed(job_id.decode("utf-8", "replace"), token.decode(), fields)
