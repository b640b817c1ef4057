"""The records of jobs in memory, changed as the scripts change them (lua/)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..job import Job, JobStatus
from ..record import Claimed, Fields, job_from_fields
from ..scripts import NewJob, Outcome

_DROPPED_BY_RETRY = (
    b"worker",
    b"error",
    b"traceback",
    b"retries",
    b"progress",
    b"progress_message",
    b"due_at",
)


class Records:
    """token: the attempt that asks for a change, '' from outside a handler. Only the current attempt may
    end its job, and once."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._records: dict[str, Fields] = {}  # in order of submission
        self._last_seq = 0

    # --- look -------------------------------------------------------------------------------------

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._records

    def job(self, job_id: str) -> Job | None:
        record = self._records.get(job_id)
        return None if record is None else job_from_fields(job_id, record)

    def newest_first(self) -> Iterator[Job]:
        return (job_from_fields(job_id, record) for job_id, record in reversed(self._records.items()))

    def status(self, job_id: str) -> JobStatus | None:
        record = self._records.get(job_id)
        return None if record is None else JobStatus(record[b"status"].decode())

    def token(self, job_id: str) -> str:
        record = self._records[job_id]
        return f"{record[b'seq'].decode()}.{record.get(b'attempt', b'0').decode()}"

    def is_ready(self, job_id: str) -> bool:
        due_at = int(self._records[job_id].get(b"due_at", 0)) if job_id in self._records else 0
        return self.status(job_id) is JobStatus.PENDING and due_at <= self._now_ms()

    def ready(self) -> list[str]:
        """The ids of the jobs that wait and are due, by when they became so."""
        due = [job_id for job_id in self._records if self.is_ready(job_id)]
        return sorted(due, key=self._since)

    def _since(self, job_id: str) -> int:
        record = self._records[job_id]
        return int(record.get(b"due_at", record[b"at"]))

    # --- begin ------------------------------------------------------------------------------------

    def add(self, job: NewJob) -> None:
        now = self._now_ms()
        due = now + job.delay_ms if job.delay_ms is not None else job.run_at_ms
        self._last_seq += 1
        values: dict[bytes, Any] = {
            b"status": "pending", b"type": job.job_type, b"seq": self._last_seq, b"at": now,
            b"ttl": job.ttl_ms, b"co": job.company, b"u": job.user, b"session": job.session,
            b"in": job.input, b"metadata": job.metadata,
            b"due_at": due if due and due > now else None, b"timeout_ms": job.timeout_ms,
            b"max_retries": job.max_retries, b"retry_delay_ms": job.retry_delay_ms,
        }  # fmt: skip
        self._records[job.job_id] = {
            name: _bytes(value) for name, value in values.items() if value is not None
        }

    def start(self, job_id: str) -> Claimed:
        record = self._records[job_id]
        self._drop(job_id, b"progress", b"progress_message")
        attempt = int(record.get(b"attempt", 0)) + 1
        self._write(job_id, status="processing", attempt=attempt, started_at=self._now_ms(), worker="eager")
        return Claimed(job_id, self.token(job_id), dict(record))

    # --- change -----------------------------------------------------------------------------------

    def progress(self, job_id: str, token: str, progress: int, message: str, backwards: bool) -> bool:
        status = self.status(job_id)
        if token:
            if status is not JobStatus.PROCESSING or token != self.token(job_id):
                return False
        elif status is None or status.is_terminal:
            return False
        if not backwards:
            progress = max(progress, int(self._records[job_id].get(b"progress", 0)))
        self._write(job_id, progress=progress, **({"progress_message": message} if message else {}))
        return True

    def end(self, outcome: Outcome) -> None:
        """As a worker's report does: what isn't the current attempt's is left aside."""
        job_id, token = outcome.job_id, outcome.token
        if outcome.ending == "completed":
            self.complete(job_id, token, outcome.payload)
        elif self._retries_left(job_id, outcome.max_retries):
            retries = int(self._records[job_id].get(b"retries", 0)) + 1
            self.requeue(job_id, token, outcome.payload, outcome.traceback, retries=retries)
        else:
            self.fail(job_id, token, outcome.payload, outcome.traceback)

    def _retries_left(self, job_id: str, max_retries: int) -> bool:
        record = self._records.get(job_id, {})
        allowed = int(record.get(b"max_retries", max_retries))
        return max_retries >= 0 and int(record.get(b"retries", 0)) < allowed

    def complete(self, job_id: str, token: str, result: bytes | str) -> bool:
        return self._end(job_id, token, status="completed", result=result)

    def fail(self, job_id: str, token: str, error: bytes | str, traceback: bytes | str = "") -> bool:
        return self._end(job_id, token, status="failed", error=error, traceback=traceback)

    def cancel(self, job_id: str, reason: str) -> bool:
        return self._end(job_id, "", status="cancelled", error=reason)

    def requeue(
        self, job_id: str, token: str, error: bytes | str, traceback: bytes | str = "", **values: Any
    ) -> bool:
        """Back to where it waits; due at once, which is the one thing that the scripts do otherwise."""
        changed = {"last_error": error, "traceback": traceback, "due_at": self._now_ms(), **values}
        accepted = self._end(job_id, token, status="pending", **changed)
        if self.status(job_id) is JobStatus.PENDING:
            self._drop(job_id, b"worker")
        return accepted

    def _end(self, job_id: str, token: str, **values: Any) -> bool:
        """Ends an attempt. Whether the change was made, or had been by this very attempt."""
        status = self.status(job_id)
        if status is None:
            return False
        record = self._records[job_id]
        if not token:
            if status.is_terminal:
                return False
            record[b"ended_by_other"] = record.get(b"attempt", b"0")
        elif token != self.token(job_id):
            return False
        elif status is not JobStatus.PROCESSING:
            return record.get(b"ended_by_other") != record[b"attempt"]
        self._write(job_id, **values)
        return True

    def retry(self, job_id: str) -> bool:
        status = self.status(job_id)
        if status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            return False
        reason = self._records[job_id].get(b"error")
        self._drop(job_id, *_DROPPED_BY_RETRY)
        kept = {"last_error": reason} if status is JobStatus.FAILED and reason is not None else {}
        self._records[job_id][b"ended_by_other"] = self._records[job_id].get(b"attempt", b"0")
        self._write(job_id, status="pending", **kept)
        return True

    def purge(self, finished_before_ms: int) -> int:
        old = [
            job_id
            for job_id, record in self._records.items()
            if JobStatus(record[b"status"].decode()).is_terminal
            and int(record[b"updated_at"]) <= finished_before_ms
        ]
        for job_id in old:
            del self._records[job_id]
        return len(old)

    def _write(self, job_id: str, **values: Any) -> None:
        record = self._records[job_id]
        record.update((name.encode(), _bytes(value)) for name, value in values.items())
        record[b"updated_at"] = _bytes(self._now_ms())

    def _drop(self, job_id: str, *names: bytes) -> None:
        for name in names:
            self._records[job_id].pop(name, None)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
