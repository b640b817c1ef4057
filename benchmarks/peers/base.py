"""What an adapter does. The harness starts one process that produces and one that works, each with an
adapter of its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class BaseAdapter(ABC):
    """url: of the Redis server. lease: seconds after which a dead worker's job may be given to another,
    or 0 for the peer's default; only `--kill` sets it."""

    def __init__(self, url: str, lease: int, options: str) -> None:
        self.url = url
        self.lease = lease
        self.options = options

    @abstractmethod
    def enqueue(self, texts: list[str]) -> None:
        """One job for each, one after another, each accepted by the server before the next."""

    def bulk(self, texts: list[str]) -> None:
        """The same by the peer's own call for many, 1000 at a time."""
        raise NotImplementedError

    @abstractmethod
    def work(self) -> None:
        """Runs `handler.run` for each job until killed."""


class AsyncAdapter(BaseAdapter):
    """For peers of asyncio: the producer keeps one loop (uvloop where it is installed)."""

    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        try:
            import uvloop  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            self.loop = asyncio.new_event_loop()
        else:
            self.loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self.loop)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)


def chunks(texts: list[str], size: int = 1000) -> list[list[str]]:
    return [texts[i : i + size] for i in range(0, len(texts), size)]
