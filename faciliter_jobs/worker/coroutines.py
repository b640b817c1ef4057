"""Slots that are tasks on one event loop, in a thread of its own. Handlers that aren't async run in
threads beside it."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import Any

from ..errors import JobQueueError
from ..scripts import Outcome
from . import event_loop
from .alarms import Alarms
from .executor import Executor
from .run import OnEnd, Run, Why
from .threads import Threads

log = logging.getLogger("faciliter_jobs.worker")

_GRACE = 0.5  # seconds that a cancelled task may take to end


class AsyncioPool:
    is_here = True
    grace = 1.0

    def __init__(self, executor: Executor, size: int, alarms: Alarms) -> None:
        self._executor = executor
        self._size = size
        self._alarms = alarms
        self._threads = Threads("handler", size)
        self._lock = threading.Lock()
        self._tasks: dict[Run, asyncio.Task[Outcome | None] | None] = {}
        self._in_threads: set[Run] = set()
        self._closing = False
        self.failure: str | None = None
        self.abandoned = 0

    def open(self) -> None:
        self._loop = event_loop.new()
        self._thread = threading.Thread(target=self._run, name="event loop", daemon=True)
        self._thread.start()

    def start(self, on_end: OnEnd, on_change: Callable[[], None]) -> None:
        self._on_end = on_end

    def run(self, awaitable: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await awaitable

        turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop)
        try:
            turn.result(timeout=self.grace)
        except FutureTimeoutError:
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise JobQueueError("a handler blocks the event loop") from None
        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result()

    def free(self) -> int:
        return self._size - len(self._tasks)

    def begin(self, runs: Sequence[Run]) -> None:
        with self._lock:
            self._tasks.update(dict.fromkeys(runs))
        self._loop.call_soon_threadsafe(self._create_tasks, runs)

    def interrupt(self, run: Run) -> None:
        self._loop.call_soon_threadsafe(self._cancel, run)
        if run.why is Why.TIMEOUT:
            self._alarms.after(_GRACE, lambda: self._give_up(run))

    def close(self) -> None:
        self._closing = True
        self._threads.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=2 * self.grace)  # a handler may block the loop for ever

    # --- in the loop's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            try:
                self._loop.run_forever()
            except BaseException:  # SystemExit in a task that a handler has left behind
                log.exception("the event loop goes on after an error")
        event_loop.end(self._loop)

    def _create_tasks(self, runs: Sequence[Run]) -> None:
        for run in runs:
            with self._lock:
                if run not in self._tasks:
                    continue
                perform = self._executor.perform_async(
                    run.claimed, run.attempt, partial(self._in_thread, run)
                )
                task = self._tasks[run] = self._loop.create_task(perform)
            task.add_done_callback(partial(self._done, run))
            if run.why is not None:
                self._cancel(run)

    def _cancel(self, run: Run) -> None:
        task = self._tasks.get(run)
        # A thread can only be asked; it is worth waiting for unless its time is over.
        if task is not None and (run not in self._in_threads or run.why is Why.TIMEOUT):
            task.cancel()

    def _done(self, run: Run, task: asyncio.Task[Outcome | None]) -> None:
        outcome = None
        if not task.cancelled():
            if (error := task.exception()) is not None:
                log.error("job %s: running it failed", run.claimed.job_id, exc_info=error)
            else:
                outcome = task.result()
        with self._lock:
            if run not in self._tasks:
                self.abandoned -= 1
                return
            del self._tasks[run]
        self._on_end(run, outcome)

    async def _in_thread(self, run: Run, call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        """Calls it in a thread, with this task's context. Returns result and error."""
        ended: asyncio.Future[tuple[Any, BaseException | None]] = self._loop.create_future()
        context = contextvars.copy_context()
        wanted = True

        def work() -> bool:
            result, error = None, None
            try:
                result = context.run(call)
            except BaseException as raised:
                error = raised
            with self._lock:
                self._in_threads.discard(run)
                if not wanted:
                    self.abandoned -= 1
                    return False
            self._loop.call_soon_threadsafe(set_ended, (result, error))
            return True

        def set_ended(end: tuple[Any, BaseException | None]) -> None:
            if not ended.done():
                ended.set_result(end)

        with self._lock:
            self._in_threads.add(run)
        self._threads.do(work)
        try:
            return await ended
        finally:
            with self._lock:
                if run in self._in_threads:  # cancelled: the thread goes on without us
                    self._in_threads.discard(run)
                    wanted = False
                    self.abandoned += 1
                    self._threads.replace()
                    log.warning("job %s: its thread can't be stopped, and goes on", run.claimed.job_id)

    # --- in others --------------------------------------------------------------------------------------

    def _give_up(self, run: Run) -> None:
        """Its time is over, and it doesn't end when its task is cancelled, or the loop is blocked."""
        with self._lock:
            if run not in self._tasks:
                return
            del self._tasks[run]
            self.abandoned += 1
        log.warning("job %s: its task doesn't end when it is cancelled, and goes on", run.claimed.job_id)
        self._on_end(run, None)
