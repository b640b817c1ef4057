"""Calls at set times: timeouts, and the grace between asking and killing."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger("faciliter_jobs.worker")

_LONGEST_ACTION = 10.0  # seconds: some talk to the server
_CANCELLED_AT_LEAST = 256  # before they are swept out


class Alarm:
    """One call to come."""

    __slots__ = ("_alarms", "action")

    def __init__(self, alarms: Alarms, action: Callable[[], None]) -> None:
        self._alarms = alarms
        self.action: Callable[[], None] | None = action

    def cancel(self) -> bool:
        """Whether it comes to nothing: False when it has been called, or is just now."""
        return self._alarms.cancel(self)


class Alarms:
    """One thread for all, started by `start`: `after` is safe in signal handlers, starting a thread isn't."""

    def __init__(self) -> None:
        # Re-entrant: a signal may come while this very thread holds it.
        self._changed = threading.Condition(threading.RLock())
        self._heap: list[tuple[float, int, Alarm]] = []
        self._cancelled = 0  # of those in the heap
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self._thread.start()

    def after(self, seconds: float, action: Callable[[], None]) -> Alarm:
        """Calls it then; not before `start`."""
        alarm = Alarm(self, action)
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._numbers), alarm))
            if self._heap[0][2] is alarm:
                self._changed.notify()
        return alarm

    def cancel(self, alarm: Alarm) -> bool:
        with self._changed:
            pending, alarm.action = alarm.action is not None, None
            self._cancelled += pending
            if self._cancelled > max(_CANCELLED_AT_LEAST, len(self._heap) // 2):
                self._heap = [entry for entry in self._heap if entry[2].action is not None]
                heapq.heapify(self._heap)
                self._cancelled = 0
            return pending

    def close(self) -> None:
        """No call comes after this; waits for one that is being made."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=_LONGEST_ACTION)

    def _run(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except Exception:
                log.exception("an alarm's action failed")

    def _next(self) -> Callable[[], None] | None:
        """The next action when its time has come; None when closed."""
        with self._changed:
            while not self._closed:
                if not self._heap:
                    self._changed.wait()
                elif (wait := self._heap[0][0] - time.monotonic()) > 0:
                    self._changed.wait(min(wait, threading.TIMEOUT_MAX))
                else:
                    alarm = heapq.heappop(self._heap)[2]
                    action, alarm.action = alarm.action, None
                    if action is not None:
                        return action
                    self._cancelled = max(0, self._cancelled - 1)
        return None
