"""SIGTERM and SIGINT while a worker runs in the main thread; the former handlers come back after."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_stop_signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Calls `handle(signal number)`. Outside the main thread it does nothing: Python delivers
    signals to the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def receive(number: int, _frame: Any) -> None:
        if os.getpid() == owner:
            handle(number)
        else:  # a process that a handler has forked: it ends as if we had never been there
            signal.signal(number, former[number] or signal.SIG_DFL)
            os.kill(os.getpid(), number)

    former: dict[int, Any] = {number: signal.signal(number, receive) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
