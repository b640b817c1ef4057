"""Hears of jobs that end, for all the tasks of an event loop that wait, on one connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from redis import exceptions as redis_errors

from .aio_transport import AsyncTransport, time_limit
from .errors import QueueTimeoutError, QueueUnavailableError
from .notices import PROTOCOL, job_id_of, subscriptions
from .operations import Operations
from .transport import RESENDS, pause_before, translate
from .waiting import LOOK_EVERY

# The connection stays for so long after the last task has got its job.
_LINGER = 5.0

# What a waiting task gets: ids of jobs to look at, or why it waits in vain.
News = asyncio.Queue["str | Exception"]


class AsyncNotices:
    """Subscribed to the ends of all jobs that a task waits for.

    A task in the background keeps the connection while there is anybody, makes it anew after a fault, and
    looks at the jobs after each subscription and now and then.
    """

    def __init__(self, transport: AsyncTransport, operations: Operations) -> None:
        self._transport = transport
        self._operations = operations
        self._waiting: dict[str, list[News]] = {}
        self._new: set[str] = set()  # not subscribed to yet
        self._unwanted: set[str] = set()  # subscribed to, and nobody waits any more
        self._fresh: set[News] = set()  # who waits for jobs not subscribed to yet
        self._changed = asyncio.Event()
        self._failures = 0  # in a row, to subscribe
        self._sent = self._confirmed = 0
        self._all_confirmed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def subscribed(self, job_ids: Iterable[str]) -> Iterator[News]:
        """Gets the id of each of the jobs once it may have ended, perhaps more than once."""
        ids = list(job_ids)
        news: News = asyncio.Queue()
        for job_id in ids:
            self._waiting.setdefault(job_id, []).append(news)
        self._new.update(ids)
        self._fresh.add(news)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._serve())
        try:
            yield news
        finally:
            self._fresh.discard(news)
            for job_id in ids:
                self._waiting[job_id].remove(news)
                if not self._waiting[job_id]:
                    del self._waiting[job_id]
                    self._unwanted.add(job_id)
            self._changed.set()

    async def close(self) -> None:
        """Who waits still gets QueueUnavailableError."""
        self._tell_everybody(QueueUnavailableError("the queue was closed while a task waited for a job"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    # --- the task in the background ---------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            try:
                await self._listen()
            except QueueUnavailableError as error:
                self._failures += 1
                if self._failures > RESENDS:  # as with other calls; who has begun to wait sits it out
                    for news in self._fresh:
                        news.put_nowait(error)
                    self._fresh.clear()
                await asyncio.sleep(pause_before(self._failures))
            except Exception as error:
                self._tell_everybody(error)
                return
            if not self._waiting:
                return

    async def _listen(self) -> None:
        """Returns when nobody waits any more; raises QueueUnavailableError when the connection breaks."""
        connection = self._transport.new_connection(protocol=PROTOCOL)
        self._new, self._unwanted = set(self._waiting), set()
        self._sent = self._confirmed = 0
        reader: asyncio.Task[None] | None = None
        try:
            async with time_limit(self._transport.config.socket_timeout):
                await connection.connect()
            reader = asyncio.ensure_future(self._read(connection))
            await self._keep_up(connection, reader)
        except asyncio.TimeoutError:  # a server that takes connections and is silent
            raise QueueTimeoutError(f"{self._transport.config.location} doesn't answer") from None
        except redis_errors.RedisError as error:
            raise translate(error, self._transport.config) from error
        finally:
            if reader is not None:
                reader.cancel()
                await asyncio.wait({reader})
            await connection.disconnect(nowait=True)

    async def _keep_up(self, connection: Any, reader: asyncio.Task[None]) -> None:
        """Subscribes to what is new, and then looks at it: what ends after that is heard."""
        clock = asyncio.get_running_loop().time
        look_again = clock() + LOOK_EVERY
        while True:
            self._changed.clear()
            new, self._new = self._new & self._waiting.keys(), set()
            unwanted, self._unwanted = self._unwanted - self._waiting.keys(), set()
            for command, _ in subscriptions(self._operations.tag, unwanted, "UNSUBSCRIBE"):
                await connection.send_packed_command((command,), check_health=False)
            if new:
                fresh = set(self._fresh)
                await self._subscribe(connection, reader, new)
                self._fresh -= fresh
                await self._look(new)
            if self._waiting and clock() >= look_again:  # without a channel nothing would be confirmed
                # Once more to a channel that it has: a connection that is half open doesn't confirm it.
                await self._subscribe(connection, reader, set(list(self._waiting)[:1]))
                await self._look(set(self._waiting))
                look_again = clock() + LOOK_EVERY
            pause = look_again - clock() if self._waiting else _LINGER
            if not await _happened(self._changed, reader, pause) and not self._waiting:
                return

    async def _subscribe(self, connection: Any, reader: asyncio.Task[None], job_ids: set[str]) -> None:
        self._all_confirmed.clear()
        for command, count in subscriptions(self._operations.tag, job_ids):
            self._sent += count
            await connection.send_packed_command((command,), check_health=False)
        if not await _happened(self._all_confirmed, reader, self._transport.config.socket_timeout):
            raise QueueTimeoutError(f"{self._transport.config.location} doesn't confirm a subscription")
        self._failures = 0

    async def _look(self, job_ids: set[str]) -> None:
        for job_id in await self._transport.perform(self._operations.ended(job_ids)):
            self._tell(job_id)

    async def _read(self, connection: Any) -> None:
        while True:
            message = await connection.read_response()
            job_id = job_id_of(message, self._operations.tag)
            if job_id is not None:
                self._tell(job_id)
            elif message[0] == b"subscribe":
                self._confirmed += 1
                if self._confirmed >= self._sent:
                    self._all_confirmed.set()

    def _tell_everybody(self, error: Exception) -> None:
        everybody = {id(news): news for each in self._waiting.values() for news in each}
        for news in everybody.values():
            news.put_nowait(error)

    def _tell(self, job_id: str) -> None:
        for news in self._waiting.get(job_id, ()):
            news.put_nowait(job_id)


async def _happened(event: asyncio.Event, reader: asyncio.Task[None], timeout: float) -> bool:
    """Whether the event happens within `timeout` seconds. Raises what the reader raises meanwhile."""
    if event.is_set():
        return True
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting, reader}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if reader.done():
        reader.result()
    return event.is_set()
