"""The calls that every queue answers, under the names of faciliter-lib."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .config import JobConfig
from .job import Job, JobStatus


class BaseJobQueue(ABC):
    """Subclass it for a queue of another kind; `RedisJobQueue` is the real one."""

    def __init__(self, config: JobConfig | None = None) -> None:
        self.config = config or JobConfig.from_env()
        self.connected = False

    @abstractmethod
    def connect(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def health_check(self) -> bool: ...

    @abstractmethod
    def submit_job(
        self,
        job_type: str,
        input_data: dict[str, Any] | None = None,
        company_id: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        ttl: int | None = None,
    ) -> str: ...

    @abstractmethod
    def get_job(self, job_id: str) -> Job | None: ...

    @abstractmethod
    def update_job_status(self, job_id: str, status: JobStatus, error: str | None = None) -> bool: ...

    @abstractmethod
    def update_job_progress(self, job_id: str, progress: int, message: str | None = None) -> bool: ...

    @abstractmethod
    def complete_job(self, job_id: str, result: dict[str, Any] | None = None) -> bool: ...

    @abstractmethod
    def fail_job(self, job_id: str, error: str) -> bool: ...

    @abstractmethod
    def cancel_job(self, job_id: str) -> bool: ...

    @abstractmethod
    def get_pending_job(self) -> Job | None: ...

    @abstractmethod
    def list_jobs(
        self,
        status: JobStatus | None = None,
        company_id: str | None = None,
        user_id: str | None = None,
        limit: int = 100,
    ) -> list[Job]: ...

    @abstractmethod
    def cleanup_old_jobs(self, older_than_seconds: int = 86400) -> int: ...
