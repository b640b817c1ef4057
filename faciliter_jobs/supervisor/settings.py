"""What a run was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import validate
from ..errors import InvalidArgumentError
from .memory import parse_size

SHUTDOWN_TIMEOUT = 30.0  # seconds, unless told otherwise
HANG_TIMEOUT = 60.0
MAX_PROCESSES = 1024


@dataclass(frozen=True)
class Settings:
    """Raises InvalidArgumentError, InvalidTypeError.

    target: MODULE:OBJECT.
    worker: JobWorker's own options, as given.
    hang_timeout: seconds without a turn of its loop after which a child is replaced; 0: never.
    max_jobs_per_child, max_memory_per_child (bytes): a child that is past it is replaced.
    """

    target: str
    worker: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1
    shutdown_timeout: float = SHUTDOWN_TIMEOUT
    hang_timeout: float = HANG_TIMEOUT
    max_jobs_per_child: int | None = None
    max_memory_per_child: int | str | None = None
    health_host: str = "127.0.0.1"
    health_port: int | None = None
    ready_file: Path | None = None
    reload: bool = False

    def __post_init__(self) -> None:
        validate.integer(self.processes, "--processes", 1, MAX_PROCESSES)
        validate.seconds(self.shutdown_timeout, "--shutdown-timeout", high=86400)
        validate.seconds(self.hang_timeout, "--hang-timeout", high=86400)
        if 0 < self.hang_timeout < 1:
            raise InvalidArgumentError("--hang-timeout: at least 1 second, or 0 for never")
        if self.max_jobs_per_child is not None:
            validate.integer(self.max_jobs_per_child, "--max-jobs-per-child", 1, 10**12)
        if self.health_port is not None:
            validate.integer(self.health_port, "--health-port", 0, 65535)
        if self.max_memory_per_child is not None:
            parse_size(self.max_memory_per_child, "--max-memory-per-child")

    @property
    def memory_limit(self) -> int | None:
        """In bytes."""
        given = self.max_memory_per_child
        return None if given is None else parse_size(given, "--max-memory-per-child")

    @property
    def needs_supervisor(self) -> bool:
        """One process alone can neither replace itself nor reload."""
        return self.processes > 1 or self.reload or self.recycles

    @property
    def recycles(self) -> bool:
        return self.max_jobs_per_child is not None or self.max_memory_per_child is not None
