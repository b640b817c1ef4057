"""What the loop and the crew have in common in their calls: faults, accepted outcomes, the farewell."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from ..errors import JobQueueError, QueueUnavailableError
from ..scripts import Ending, Outcome
from ..transport import pause_before

log = logging.getLogger("faciliter_jobs.worker")

_LONGEST_PAUSE = 5.0  # seconds between two tries to reach the server
_FAREWELL_TRIES = 5


def pause_after(faults: int) -> float:
    """Seconds to wait before a worker tries again what has failed so many times in a row."""
    return pause_before(faults, _LONGEST_PAUSE)


class Faults:
    """Calls that failed in a row. A server that is away is told of once, not at each try."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self.count = 0

    def note(self, error: Exception) -> None:
        self.count += 1
        if self.count == 1 and isinstance(error, QueueUnavailableError):
            log.warning("worker %s has lost its server, and tries again: %s", self._worker, error)
        elif not isinstance(error, QueueUnavailableError):
            log.error("worker %s: a call failed, and is tried again: %s", self._worker, error)

    def pause(self) -> float:
        """Seconds to wait before the next try."""
        return pause_after(self.count)

    def are_over(self) -> None:
        """A call has succeeded."""
        if self.count:
            log.info("worker %s is connected again", self._worker)
            self.count = 0


def note_endings(outcomes: Sequence[Outcome], endings: Sequence[Ending]) -> None:
    """What became of the outcomes that were reported."""
    for outcome, ending in zip(outcomes, endings):
        if not ending.accepted:
            log.warning("job %s: this attempt's outcome came too late (%s)", outcome.job_id, ending.value)
        elif ending is Ending.RETRYING:
            log.info("job %s will be tried again", outcome.job_id)


def count_jobs(jobs: Sequence[object]) -> str:
    return "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"


def say_farewell(worker: str, report: Callable[[], None], leave: Callable[[], list[str]]) -> None:
    """Reports the last outcomes and gives everything else back. When the server stays away, the leases
    see to it."""
    for attempt in range(1, _FAREWELL_TRIES + 1):
        try:
            report()
            if given_back := leave():
                log.info("worker %s gave back %s", worker, count_jobs(given_back))
            return
        except JobQueueError as error:
            log.warning("worker %s can't say goodbye: %s", worker, error)
            threading.Event().wait(pause_before(attempt))
