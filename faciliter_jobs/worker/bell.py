"""What wakes a thread that waits, from any other and from a signal handler."""

from __future__ import annotations

import contextlib
from queue import Empty, SimpleQueue


class Bell:
    """Safe in signal handlers, as SimpleQueue.put is. (An Event isn't: its `set` may wait for the very
    thread that the signal has interrupted.)"""

    def __init__(self) -> None:
        self._rung: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        self._rung.put(None)

    def wait(self, seconds: float) -> bool:
        """Until it is rung, if it wasn't since the last wait; for so many seconds at most. Whether it was."""
        try:
            self._rung.get(timeout=max(0.0, seconds))
        except Empty:
            return False
        with contextlib.suppress(Empty):
            while True:
                self._rung.get_nowait()
        return True
