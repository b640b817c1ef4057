"""Records as the scripts keep them (one hash per job) to `Job` objects."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from . import codec
from .errors import UndecodableError
from .job import Job, JobStatus

Fields = dict[bytes, bytes]

log = logging.getLogger("faciliter_jobs")

_PAYLOAD = re.compile(rb"(in|metadata|result)\d*$")
_PIECE = 63  # payload.lua cuts short payloads into pieces of this size


def fields_of(flat: Iterable[bytes]) -> Fields:
    """HGETALL's flat reply as a dict."""
    pairs = iter(flat)
    return dict(zip(pairs, pairs))


@lru_cache(maxsize=1024)  # the jobs of a batch share many of their times
def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds")


def _iso(value: bytes | None) -> str | None:
    return None if value is None else iso(int(value))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _integer(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _metadata(fields: Fields) -> dict[str, Any] | None:
    stored = _packed(fields, "metadata")
    if stored is not None and not isinstance(stored, dict):
        raise UndecodableError(f"metadata: expected a dict, found {type(stored).__name__}")
    metadata: dict[str, Any] = stored or {}
    if b"retries" in fields:
        metadata["retry_count"] = int(fields[b"retries"])
    failed = fields.get(b"error") if fields.get(b"status") == b"failed" else None
    last_error = failed or fields.get(b"last_error")
    if last_error is not None:
        metadata["last_error"] = _text(last_error)
    return metadata or (None if stored is None else {})


def _packed(fields: Fields, name: str, shown_as: str = "") -> Any:
    """A payload, which may be stored in pieces: `in`, `in1`, `in2`..."""
    stored = fields.get(name.encode())
    if stored is None:
        return None
    if len(stored) == _PIECE:
        pieces = [stored]
        while more := fields.get(b"%s%d" % (name.encode(), len(pieces))):
            pieces.append(more)
        stored = b"".join(pieces)
    return codec.unpack(stored, shown_as or name)


def _progress(fields: Fields) -> int:
    reached = int(fields.get(b"progress", 0))
    return 100 if fields.get(b"status") == b"completed" else reached


def _updated_at(fields: Fields) -> int:
    times = (fields.get(name) for name in (b"updated_at", b"started_at", b"at"))
    return max(int(t) for t in times if t is not None)


def job_from_fields(job_id: str, fields: Fields) -> Job:
    """Raises UndecodableError when the record is damaged."""
    try:
        retry_delay_ms = _integer(fields.get(b"retry_delay_ms"))
        status = JobStatus(fields[b"status"].decode())
        updated_at = _updated_at(fields)
        return Job(
            job_id=job_id,
            job_type=fields[b"type"].decode(),
            status=status,
            created_at=iso(int(fields[b"at"])),
            updated_at=iso(updated_at),
            company_id=_text(fields.get(b"company")),
            user_id=_text(fields.get(b"user")),
            session_id=_text(fields.get(b"session")),
            input_data=_packed(fields, "in", "input_data"),
            progress=_progress(fields),
            progress_message=_text(fields.get(b"progress_message")),
            result=_packed(fields, "result"),
            error=_text(fields.get(b"error")),
            metadata=_metadata(fields),
            attempt=int(fields.get(b"attempt", 0)) - int(fields.get(b"returned", 0)),
            worker=_text(fields.get(b"worker")),
            due_at=_iso(fields.get(b"due_at")),
            started_at=_iso(fields.get(b"started_at")),
            finished_at=iso(updated_at) if status.is_terminal else None,
            traceback=_text(fields.get(b"traceback")),
            max_retries=_integer(fields.get(b"max_retries")),
            retry_delay=None if retry_delay_ms is None else retry_delay_ms / 1000,
        )
    except UndecodableError:
        raise
    except (KeyError, ValueError, TypeError, OverflowError, OSError) as error:
        raise UndecodableError(f"job {job_id}: damaged record: {error!r}") from error


def listed_job(job_id: str, fields: Fields) -> Job | None:
    """For listings, which one damaged record must not stop: the job without its payloads and with
    the damage as its error; None when not even that can be read."""
    try:
        return job_from_fields(job_id, fields)
    except UndecodableError as error:
        damage = str(error)
    plain = {k: v for k, v in fields.items() if not _PAYLOAD.match(k)}
    try:
        return replace(job_from_fields(job_id, plain), error=damage)
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

    def job(self) -> Job:
        """Raises UndecodableError when the record is damaged."""
        return job_from_fields(self.job_id, self.fields)


def claimed_from_reply(entry: list[Any], worker: str, now: int) -> Claimed:
    """`entry` is {job_id, token, record as it was before this attempt}."""
    token = entry[1].decode()
    fields = fields_of(entry[2])
    stamp = str(now).encode()
    if fields.get(b"status") == b"pending":
        fields[b"started_at"] = stamp
        fields.pop(b"progress", None)
        fields.pop(b"progress_message", None)
    fields[b"status"] = b"processing"
    fields[b"attempt"] = token.rpartition(".")[2].encode()
    fields[b"worker"] = worker.encode()
    return Claimed(entry[0].decode(), token, fields)
