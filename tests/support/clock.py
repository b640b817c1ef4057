"""A queue whose scripts read a clock that the test sets."""

from __future__ import annotations

from faciliter_jobs import RedisJobQueue
from faciliter_jobs.scripts.compose import compose
from faciliter_jobs.transport import Transport

_SET_CLOCK = """

-- As many lines as lua/lib/clock.lua, so that errors are located rightly.

local STAMP = redis.call('GET', KEYS[1] .. 'test-clock')
local NOW = tonumber(STAMP)
"""


class _SetClockTransport(Transport):
    def _text_of(self, script: str) -> str:
        return compose(script, swapped={"clock": _SET_CLOCK}).text


class Clock:
    """Seconds since the start, as the scripts of `queue` see them."""

    START_MS = 1_800_000_000_000

    def __init__(self, queue: RedisJobQueue) -> None:
        self.queue = queue
        queue.transport.close()
        queue.transport = _SetClockTransport(queue.config)
        self.now_ms = self.START_MS
        self._write()

    def _write(self) -> None:
        self.queue.transport.command("SET", self.queue.tag + "test-clock", self.now_ms)

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)
        self._write()
