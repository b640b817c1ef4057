"""The worker in this very process, and a thread beside it that tells others how it is."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from ..worker import JobWorker
from . import words
from .outside import Outside, Report
from .settings import Settings

log = logging.getLogger("faciliter_jobs.supervisor")

_TICK = 0.2  # seconds


def run_here(worker: JobWorker, settings: Settings, max_jobs: int | None = None) -> None:
    """`worker.start(max_jobs)`, observed. Raises what it raises, and InvalidArgumentError when the
    health endpoint or the ready file can't be made."""
    with Outside(settings) as outside, _Monitor(worker, settings, outside):
        if outside.health_address:
            log.info("health at %s/healthz", outside.health_address)
        worker.start(max_jobs)


class _Monitor:
    def __init__(self, worker: JobWorker, settings: Settings, outside: Outside) -> None:
        self._worker = worker
        self._hang_timeout = settings.hang_timeout
        self._outside = outside
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def __enter__(self) -> _Monitor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_TICK):
            report, status = self._look()
            self._outside.tell(report, status)

    def _look(self) -> tuple[Report, str]:
        health = self._worker.health()
        stands = health.turned_ago if health.running else 0.0
        live = not self._hang_timeout or stands < self._hang_timeout
        if not live:
            why_not = f"the worker's loop has not turned for {stands:.0f} s"
        elif not health.running or health.stopping:
            why_not = "stopping" if health.stopping else "the worker does not run"
        else:
            why_not = "" if health.connected else "the server can't be reached"
        details = {
            "worker": self._worker.name,
            "done": health.done,
            "active": health.active,
            "turned_ago": round(health.turned_ago, 3),
            "abandoned_threads": health.abandoned_threads,
        }
        status = f"{words.count(health.done, 'job')} done, {health.active} running"
        return Report(live, not why_not, why_not, details), status
