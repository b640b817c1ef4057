"""JobWorker and its parts: one file for each role."""

from .health import WorkerHealth
from .worker import JobWorker

__all__ = ["JobWorker", "WorkerHealth"]
