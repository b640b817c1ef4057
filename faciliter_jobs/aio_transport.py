"""`transport.py` for asyncio: the same calls, scripts, re-sends and errors."""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any, TypeVar

from hiredis import pack_command
from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from .aio_pool import AsyncConnectionPool
from .config import JobConfig
from .errors import JobQueueError, QueueUnavailableError
from .per_loop import PerLoop
from .scripts import Call, Command, Steps
from .transport import RELOADS, RESENDS, ScriptTable, connection_options, pause_before, translate

if sys.version_info >= (3, 11, 3):
    from asyncio import timeout as time_limit
else:  # redis-py depends on it there
    from async_timeout import timeout as time_limit  # type: ignore[import-not-found, no-redef]

__all__ = ["AsyncTransport", "time_limit"]

R = TypeVar("R")


class AsyncTransport(ScriptTable):
    """A pool of connections to one server for each event loop that uses it, one after another.

    A task that is cancelled while it waits for a reply closes its connection, so that nobody else
    reads that reply.
    """

    def __init__(self, config: JobConfig) -> None:
        super().__init__()
        self.config = config
        self._pools = PerLoop(self._new_pool)

    async def run(self, call: Call[R]) -> R:
        """Raises QueueUnavailableError, QueueTimeoutError, QueueFullError, ScriptFailedError."""
        command = self._command_of(call)
        may_resend = call.resend and self.config.retry_on_timeout
        try:
            reply = await self._send(command, call.script, call.looks and not may_resend)
        except redis_errors.RedisError as error:
            reply = await self._recover(error, command, may_resend, call.script)
        return call.parse(reply)

    async def command(self, *args: Any) -> Any:
        """A plain command of Redis's own that may be sent twice, with the same errors."""
        may_resend = self.config.retry_on_timeout
        try:
            return await self._exchange(args, not may_resend)
        except redis_errors.RedisError as error:
            return await self._recover(error, args, may_resend, None)

    async def fetch(self, step: Command[R] | Call[R]) -> R:
        """The reply to a plain command, or to a call, taken apart."""
        if isinstance(step, Command):
            return step.parse(await self.command(*step.args))
        return await self.run(step)

    async def perform(self, steps: Steps[R]) -> R:
        """Runs the calls that `steps` yields, until it returns."""
        try:
            step = next(steps)
            while True:
                try:
                    reply = await self.fetch(step)
                except JobQueueError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(reply)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def new_connection(self, **options: Any) -> Any:
        """A connection outside the pool; the caller closes it."""
        # Time limits are set here, around a whole exchange: redis-py would start a task for each send.
        options = {**connection_options(self.config), "socket_timeout": None, **options}
        return self._connection_class()(**options)

    async def close(self) -> None:
        """Closes the connections of the running event loop."""
        await self._pools.get().disconnect()

    def _connection_class(self) -> Any:
        if self.config.unix_socket:
            return UnixDomainSocketConnection
        return SSLConnection if self.config.ssl else Connection

    def _new_pool(self) -> AsyncConnectionPool:
        return AsyncConnectionPool(
            self.new_connection, self.config.max_connections, self.config.socket_timeout
        )

    async def _send(self, command: tuple[Any, ...], script: str | None, looks: bool = False) -> Any:
        for _ in range(RELOADS):
            try:
                return await self._exchange(command, looks)
            except redis_errors.NoScriptError:
                if script is None:
                    raise
                await self._exchange(self._loading(script), looks)
        return await self._exchange(command, looks)

    async def _exchange(self, command: tuple[Any, ...], looks: bool) -> Any:
        """As `Transport._exchange`."""
        pool = self._pools.get()
        connection = await pool.take()
        try:
            async with time_limit(self.config.socket_timeout):
                if looks:
                    await _close_if_ended(connection)
                await connection.send_packed_command((pack_command(command),), check_health=False)
                return await connection.read_response()
        except redis_errors.ResponseError:
            raise  # a whole reply, that says no
        except asyncio.TimeoutError:
            await connection.disconnect(nowait=True)
            raise redis_errors.TimeoutError("Timeout reading from the server") from None
        except BaseException:  # a cancelled task among others: its reply is still to come
            await connection.disconnect(nowait=True)
            raise
        finally:
            pool.give_back(connection)

    async def _recover(
        self, error: Exception, command: tuple[Any, ...], may_resend: bool, script: str | None
    ) -> Any:
        """Sends the command again while that is allowed and may help; else raises our error."""
        for attempt in itertools.count(1):
            raised = translate(error, self.config, script)
            if not (may_resend and isinstance(raised, QueueUnavailableError) and attempt <= RESENDS):
                raise raised from error
            await asyncio.sleep(pause_before(attempt))
            try:
                return await self._send(command, script)
            except redis_errors.RedisError as again:
                error = again
        raise AssertionError("unreachable")


async def _close_if_ended(connection: Any) -> None:
    """As in transport.py."""
    if not connection.is_connected:
        return
    # A loop that was busy elsewhere hears of it in its next turn, and tells the reader in the one after.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if connection._reader.at_eof() or connection._writer.is_closing():  # closed, or broken
        await connection.disconnect(nowait=True)
