"""Tells the queue of workers that have died, so that their jobs needn't wait for their leases."""

from __future__ import annotations

import logging
import queue
import threading

from .. import scripts
from ..config import JobConfig
from ..default import create_job_queue
from ..errors import JobQueueError
from ..queue import RedisJobQueue

log = logging.getLogger("faciliter_jobs.supervisor")


def place_of(jobs: RedisJobQueue) -> str:
    """What tells one queue from another."""
    return f"{jobs.config.location} {jobs.tag}"


class Undertaker:
    """A thread, so that a server that doesn't answer holds nobody up: then leases see to it."""

    def __init__(self) -> None:
        self._dead: queue.SimpleQueue[tuple[str, str, str] | None] = queue.SimpleQueue()
        self._jobs: RedisJobQueue | None = None
        self._thread = threading.Thread(target=self._run, name="undertaker", daemon=True)
        self._thread.start()

    def bury(self, worker: str, place: str, why: str) -> None:
        """The process of `worker` has ended without giving its jobs back. place: of its queue."""
        self._dead.put((worker, place, why))

    def close(self, timeout: float) -> None:
        """Waits for at most so many seconds."""
        self._dead.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (dead := self._dead.get()) is not None:
            try:
                self._tell(*dead)
            except JobQueueError as error:
                log.debug("the jobs of %s wait for their leases: %s", dead[0], error)
        if self._jobs is not None:
            self._jobs.close()

    def _tell(self, worker: str, place: str, why: str) -> None:
        jobs = self._queue_at(place)
        if jobs is None:
            return  # a queue that the target has made itself
        while taken := jobs.transport.run(scripts.lose(jobs.tag, worker=worker, why=why)):
            log.info("jobs of the dead worker %s go on elsewhere: %s", worker, ", ".join(taken[:5]))

    def _queue_at(self, place: str) -> RedisJobQueue | None:
        """The queue that the environment names, when that is the one: no other is ever connected to."""
        if self._jobs is None:
            config = JobConfig.from_env()
            if config.embedded is None and not place.startswith(f"{config.location} "):
                return None
            self._jobs = create_job_queue(config=config)
        return self._jobs if place_of(self._jobs) == place else None
