"""An AsyncJobQueue that is called like a RedisJobQueue, so that one suite tests both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from faciliter_jobs.aio import AsyncJobQueue
from faciliter_jobs.config import JobConfig

_ASYNC = "faciliter_jobs.aio"


class _Blocking:
    """Calls what the other offers on an event loop in a thread, and waits."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop

    def _wait(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(60)

    def _iterate(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        try:
            while True:
                yield self._wait(anext(items))
        except StopAsyncIteration:
            return

    def __repr__(self) -> str:
        return repr(self._target)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            made = found(*args, **kwargs)
            if inspect.isasyncgen(made):
                return self._iterate(made)
            if inspect.iscoroutine(made):
                made = self._wait(made)
            # Handles, of jobs and of companies.
            return _Blocking(made, self._loop) if type(made).__module__.startswith(_ASYNC) else made

        return call


class BlockingQueue(_Blocking):
    """Safe between threads, as RedisJobQueue is."""

    def __init__(self, config: JobConfig | None = None) -> None:
        loop = asyncio.new_event_loop()
        super().__init__(AsyncJobQueue(config), loop)
        self._thread = threading.Thread(target=loop.run_forever, daemon=True)
        self._thread.start()
        self.transport = _Blocking(self._target.transport, loop)

    def __enter__(self) -> BlockingQueue:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._thread.is_alive():
            self._wait(self._target.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()
