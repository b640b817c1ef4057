"""An AsyncJobQueue for producers that are written for a RedisJobQueue."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from faciliter_jobs import AsyncJobQueue
from faciliter_jobs.errors import QueueUnavailableError

_CANCELLED = 0.03  # of the calls
_LATEST = 0.004  # seconds


@contextlib.contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


class FromThreads:
    """Each call is a task of the one event loop; now and then a task is cancelled, at any moment."""

    def __init__(self, queue: AsyncJobQueue, loop: asyncio.AbstractEventLoop, draw: random.Random) -> None:
        self._queue = queue
        self._loop = loop
        self._random = draw

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._queue, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            task = asyncio.run_coroutine_threadsafe(method(*args, **kwargs), self._loop)
            if self._random.random() < _CANCELLED:
                time.sleep(self._random.uniform(0, _LATEST))
                task.cancel()
            try:
                return task.result()
            except CancelledError:
                raise QueueUnavailableError(f"{name} was cancelled") from None

        return call
