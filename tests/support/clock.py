"""The clock of `faciliter_jobs.testing`, from a fixed time on."""

from __future__ import annotations

from faciliter_jobs import RedisJobQueue
from faciliter_jobs.testing.clock import SET_CLOCK as _SET_CLOCK
from faciliter_jobs.testing.clock import JobClock

__all__ = ["_SET_CLOCK", "Clock"]


class Clock(JobClock):
    START_MS = 1_800_000_000_000

    def __init__(self, queue: RedisJobQueue) -> None:
        super().__init__(queue, self.START_MS / 1000)

    def jump_back(self, seconds: float) -> None:
        """As a server's clock may that is set right."""
        self.now_ms -= round(seconds * 1000)
        self._write()
