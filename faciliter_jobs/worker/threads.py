"""Slots that are threads. A handler in a thread can be asked to end, not made to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from queue import SimpleQueue
from typing import Any

from ..scripts import Outcome
from . import event_loop
from .executor import Executor
from .run import OnEnd, Run, Why

log = logging.getLogger("faciliter_jobs.worker")


class Threads:
    """Daemon threads, made when they are needed: one that hangs doesn't keep the process from ending."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._work: SimpleQueue[Callable[[], bool] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._made = 0
        self._busy = 0

    def do(self, work: Callable[[], bool]) -> None:
        """Calls it in a thread; when it returns False, that thread is given up (and has been `replace`d)."""
        with self._lock:
            self._busy += 1
            more = self._made < min(self._busy, self._size)
            self._made += more
        self._work.put(work)
        if more:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def replace(self) -> None:
        """A busy thread doesn't count any more: another may be made for it."""
        with self._lock:
            self._busy -= 1
            self._made -= 1

    def close(self) -> None:
        with self._lock:
            for _ in range(self._made):
                self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            if not work():
                break
            with self._lock:
                self._busy -= 1
            del work
        event_loop.close()


class ThreadPool:
    is_here = True
    grace = 0.2  # a polite handler looks at job.cancelled; no other ends soon

    def __init__(self, executor: Executor, size: int) -> None:
        self._executor = executor
        self._size = size
        self._threads = Threads("handler", size)
        self._lock = threading.Lock()
        self._active = 0
        self.failure: str | None = None
        self.abandoned = 0

    def open(self) -> None:
        """Threads are made when they are needed."""

    def run(self, awaitable: Awaitable[Any]) -> Any:
        return event_loop.run(awaitable)

    def start(self, on_end: OnEnd, on_change: Callable[[], None]) -> None:
        self._on_end = on_end

    def free(self) -> int:
        return self._size - self._active

    def begin(self, runs: Sequence[Run]) -> None:
        with self._lock:
            self._active += len(runs)
        for run in runs:
            self._threads.do(lambda run=run: self._perform(run))  # type: ignore[misc]

    def interrupt(self, run: Run) -> None:
        """The handler sees `job.cancelled`. When its time is over its thread is replaced."""
        if run.why is not Why.TIMEOUT:
            return
        with self._lock:
            if run.slot is not None:
                return  # it ended just now
            run.slot = "abandoned"
            self._active -= 1
            self.abandoned += 1
        self._threads.replace()
        log.warning(
            "job %s: its thread can't be stopped and goes on; %d like that",
            run.claimed.job_id,
            self.abandoned,
        )
        self._on_end(run, None)

    def close(self) -> None:
        self._threads.close()

    def _perform(self, run: Run) -> bool:
        outcome: Outcome | None = None
        try:
            outcome = self._executor.perform(run.claimed, run.attempt)
        finally:
            with self._lock:
                late = run.slot is not None
                run.slot = run.slot or "ended"
                if late:
                    self.abandoned -= 1
                else:
                    self._active -= 1
        if late:
            log.warning("job %s: its handler has ended, after its time was over", run.claimed.job_id)
        else:
            self._on_end(run, outcome)
        return not late
