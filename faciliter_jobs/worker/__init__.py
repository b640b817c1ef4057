"""JobWorker and its parts: one file for each role."""

from .worker import JobWorker

__all__ = ["JobWorker"]
