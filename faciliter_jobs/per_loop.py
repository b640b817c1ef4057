"""One of something for each event loop that uses a queue, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all: dict[asyncio.AbstractEventLoop, T] = {}
        self._current: T

    def get(self) -> T:
        """The running event loop's."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Nothing can be sent to a closed loop's connections any more; to drop them closes them.
            self._all = {other: one for other, one in self._all.items() if not other.is_closed()}
            if loop not in self._all:
                self._all[loop] = self._make()
            self._loop, self._current = loop, self._all[loop]
        return self._current
