"""A queue whose scripts read a clock that the test sets, in place of the server's."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from functools import cache

from .. import validate
from ..aio import AsyncJobQueue
from ..aio_transport import AsyncTransport
from ..queue import RedisJobQueue
from ..scripts.compose import compose
from ..transport import Transport

SET_CLOCK = """

-- As many lines as lua/lib/clock.lua, so that errors are located rightly.

local STAMP = redis.call('GET', KEYS[1] .. 'test-clock')
local NOW = tonumber(STAMP)
"""


@cache
def _with_set_clock(script: str) -> str:
    return compose(script, swapped={"clock": SET_CLOCK}).text


class ClockedTransport(Transport):
    def _text_of(self, script: str) -> str:
        return _with_set_clock(script)


class _ClockedAsyncTransport(AsyncTransport):
    def _text_of(self, script: str) -> str:
        return _with_set_clock(script)


class JobClock:
    """The time that the scripts of a queue see. It stands still until `advance`.

    start: Unix time in seconds; by default the present, in whole seconds.
    """

    def __init__(self, queue: RedisJobQueue, start: float | None = None) -> None:
        self.queue = queue
        self.now_ms = int(time.time() if start is None else start) * 1000
        queue.transport.close()
        queue.transport = ClockedTransport(queue.config)
        self._write()

    @property
    def now(self) -> datetime:
        """An aware datetime, as `run_at` takes it."""
        return datetime.fromtimestamp(self.now_ms / 1000, timezone.utc)

    def advance(self, seconds: float) -> None:
        """Moves the time on: what is due then is run by the next worker that looks."""
        self.now_ms += validate.milliseconds(seconds, "seconds")
        self._write()

    def drive(self, queue: AsyncJobQueue) -> None:
        """Has an asyncio client of the same jobs see this time, too. Before its first call."""
        queue.transport = _ClockedAsyncTransport(queue.config)

    def _write(self) -> None:
        self.queue.transport.command("SET", self.queue.tag + "test-clock", self.now_ms)


def is_set(queue: RedisJobQueue) -> bool:
    """Whether a JobClock gives this queue its time."""
    return isinstance(queue.transport, ClockedTransport)
