"""Connections to one server, lent to one task at a time: `pool.py` for asyncio."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import QueueUnavailableError


class AsyncConnectionPool:
    """At most `size` connections, for one event loop; the one used last is lent first."""

    def __init__(self, make: Callable[[], Any], size: int, timeout: float) -> None:
        self._make = make
        self._size = size
        self._timeout = timeout
        self._idle: list[Any] = []
        self._made = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()

    async def take(self) -> Any:
        """A connection, perhaps not connected yet. Raises QueueUnavailableError when all are in use
        for longer than `timeout` seconds."""
        if self._idle:
            return self._idle.pop()
        if self._made < self._size:
            self._made += 1
            return self._make()
        return await self._wait_for_one()

    def give_back(self, connection: Any) -> None:
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():  # else it was cancelled, or has given up
                first.set_result(connection)
                return
        self._idle.append(connection)

    async def _wait_for_one(self) -> Any:
        loop = asyncio.get_running_loop()
        place: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(place)
        timer = loop.call_later(self._timeout, self._give_up, place)
        try:
            return await place
        except asyncio.CancelledError:
            # The connection may have come in the same moment.
            if place.done() and not place.cancelled() and place.exception() is None:
                self.give_back(place.result())
            raise
        finally:
            timer.cancel()

    def _give_up(self, place: asyncio.Future[Any]) -> None:
        if not place.done():
            place.set_exception(
                QueueUnavailableError(
                    f"all {self._size} connections are in use for {self._timeout:g} s "
                    "(JobConfig.max_connections)"
                )
            )

    async def disconnect(self) -> None:
        """Closes the connections that nobody uses; they connect again when they are."""
        for connection in list(self._idle):
            await connection.disconnect()
