"""Records as the scripts keep them (one hash per job) to `Job` objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import codec
from .errors import UndecodableError
from .job import Job, JobStatus

Fields = dict[bytes, bytes]


def fields_of(flat: Iterable[bytes]) -> Fields:
    """HGETALL's flat reply as a dict."""
    pairs = iter(flat)
    return dict(zip(pairs, pairs))


def iso(ms: bytes | int | None) -> str | None:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    if ms is None:
        return None
    return datetime.fromtimestamp(int(ms) / 1000, timezone.utc).isoformat(timespec="milliseconds")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _integer(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _metadata(fields: Fields) -> dict[str, Any] | None:
    stored = fields.get(b"metadata")
    metadata: dict[str, Any] = {} if stored is None else codec.unpack(stored, "metadata")
    if b"retries" in fields:
        metadata["retry_count"] = int(fields[b"retries"])
    if b"last_error" in fields:
        metadata["last_error"] = _text(fields[b"last_error"])
    return metadata or (None if stored is None else {})


def _packed(fields: Fields, name: str) -> Any:
    stored = fields.get(name.encode())
    return None if stored is None else codec.unpack(stored, name)


def job_from_fields(job_id: str, fields: Fields) -> Job:
    """Raises UndecodableError when the record is damaged."""
    try:
        retry_delay_ms = _integer(fields.get(b"retry_delay_ms"))
        return Job(
            job_id=job_id,
            job_type=fields[b"type"].decode(),
            status=JobStatus(fields[b"status"].decode()),
            created_at=iso(fields[b"created_at"]) or "",
            updated_at=iso(fields[b"updated_at"]) or "",
            company_id=_text(fields.get(b"company")),
            user_id=_text(fields.get(b"user")),
            session_id=_text(fields.get(b"session")),
            input_data=_packed(fields, "input"),
            progress=int(fields.get(b"progress", 0)),
            progress_message=_text(fields.get(b"progress_message")),
            result=_packed(fields, "result"),
            error=_text(fields.get(b"error")),
            metadata=_metadata(fields),
            attempt=int(fields.get(b"attempt", 0)),
            worker=_text(fields.get(b"worker")),
            due_at=iso(fields.get(b"due_at")),
            started_at=iso(fields.get(b"started_at")),
            finished_at=iso(fields.get(b"finished_at")),
            traceback=_text(fields.get(b"traceback")),
            max_retries=_integer(fields.get(b"max_retries")),
            retry_delay=None if retry_delay_ms is None else retry_delay_ms / 1000,
        )
    except UndecodableError:
        raise
    except (KeyError, ValueError, TypeError, OverflowError, OSError) as error:
        raise UndecodableError(f"job {job_id}: damaged record: {error!r}") from error


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
        fields[b"updated_at"] = fields[b"started_at"] = stamp
        fields[b"progress"] = b"0"
    fields[b"status"] = b"processing"
    fields[b"attempt"] = token.rpartition(".")[2].encode()
    fields[b"worker"] = worker.encode()
    return Claimed(entry[0].decode(), token, fields)
