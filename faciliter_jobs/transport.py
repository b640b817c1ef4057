"""Runs script calls on a server: connections, lost script caches, re-sending, errors by name.

The commands of a call are packed, sent and read on redis-py's connections (which connect,
authenticate and parse), beneath its command layer, which would add a third to a call's time.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from hashlib import sha1
from typing import Any, Generic, TypeVar

from hiredis import pack_command
from redis import exceptions as redis_errors
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from . import tls
from .config import JobConfig
from .errors import (
    AccessDeniedError,
    JobQueueError,
    QueueFullError,
    QueueRefusedError,
    QueueTimeoutError,
    QueueUnavailableError,
    ScriptFailedError,
)
from .pool import ConnectionPool
from .scripts import Call, Command, Steps, composed

R = TypeVar("R")

RESENDS = 2
RELOADS = 3  # of one script in one call, when its cache is flushed again and again
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
# redis-py takes the first word off the errors that it knows; within a script's error it stays.
_CANT_WRITE_NOW = (
    redis_errors.ReadOnlyError,
    redis_errors.MasterDownError,
    redis_errors.ClusterDownError,
)
# UNBLOCKED: thrown out of a blocking command, since the server has become a replica.
_CANT_WRITE_WORDS = (
    "READONLY", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "LOADING", "UNBLOCKED",
)  # fmt: skip
_BUSY = "BUSY "  # with a script of somebody's
# Redis, then Valkey, of a command inside a script.
_DENIED_IN_SCRIPT = ("The user executing the script can't", "ACL failure in script")
_SCRIPT_LINE = re.compile(r"user_script: ?(\d+):? *(?:@user_script: ?\d+:? *)?")  # twice in Redis 6.2


def pause_before(attempt: int, longest: float = _LONGEST_PAUSE) -> float:
    """Seconds to wait before try number `attempt` (from 1): exponential, with jitter, so that many
    clients of a server that comes back don't come back at once."""
    return random.uniform(0.5, 1) * min(longest, _FIRST_PAUSE * 2.0 ** (attempt - 1))


class ScriptTable:
    """Calls as commands, with the scripts' names on the server."""

    def __init__(self) -> None:
        self._shas: dict[str, bytes] = {}

    def _text_of(self, script: str) -> str:
        return composed(script).text

    def _loading(self, script: str) -> tuple[Any, ...]:
        return ("SCRIPT", "LOAD", self._text_of(script))

    def _command_of(self, call: Call[Any]) -> tuple[Any, ...]:
        sha = self._shas.get(call.script)
        if sha is None:
            sha = sha1(self._text_of(call.script).encode()).hexdigest().encode()
            self._shas[call.script] = sha
        return (b"EVALSHA", sha, b"1", call.tag, *call.args)


class Transport(ScriptTable):
    """A pool of connections to one server, and the scripts registered on it.

    redis-py's own retries are off: it would re-send scripts that may not be sent twice. A call that
    may be is re-sent here, when `retry_on_timeout` is set.
    """

    def __init__(self, config: JobConfig) -> None:
        super().__init__()
        self.config = config
        self._connection_class = _connection_class(config)
        self._connection_options = connection_options(config)
        self._pool = ConnectionPool(self.new_connection, config.max_connections, config.socket_timeout)

    def run(self, call: Call[R]) -> R:
        """Raises QueueUnavailableError, QueueTimeoutError, QueueFullError, ScriptFailedError."""
        return call.parse(self.send(call))

    def send(self, call: Call[Any]) -> Any:
        """As `run`, without taking the reply apart."""
        command = self._command_of(call)
        may_resend = call.resend and self.config.retry_on_timeout
        try:
            return self._send(command, call.script, call.looks and not may_resend)
        except redis_errors.RedisError as error:
            return self._recover(error, command, may_resend, call.script)

    def prepare(self, call: Call[R]) -> Pending[R]:
        """Packs the call. After `send` the caller can work until it needs the reply, and then calls `wait`
        and `result`. Never re-sent."""
        return Pending(self, call)

    def packed(self, step: Command[Any] | Call[Any]) -> bytes:
        """As it goes to the server, for a connection of the caller's own."""
        args: tuple[Any, ...] = step.args if isinstance(step, Command) else self._command_of(step)
        packed: bytes = pack_command(args)
        return packed

    def register(self, script: str, connection: Any) -> None:
        """Has the server know the script, by a connection of the caller's own."""
        connection.send_packed_command((pack_command(self._loading(script)),))
        connection.read_response()

    def load(self, script: str) -> None:
        """Has the server know the script, of which the first call takes tens of milliseconds otherwise."""
        self.command(*self._loading(script))

    def command(self, *args: Any) -> Any:
        """A plain command of Redis's own that may be sent twice, with the same errors."""
        may_resend = self.config.retry_on_timeout
        try:
            return self._exchange(args, not may_resend)
        except redis_errors.RedisError as error:
            return self._recover(error, args, may_resend, None)

    def fetch(self, step: Command[R] | Call[R]) -> R:
        """The reply to a plain command, or to a call, taken apart."""
        if isinstance(step, Command):
            return step.parse(self.command(*step.args))
        return self.run(step)

    def perform(self, steps: Steps[R]) -> R:
        """Runs the calls that `steps` yields, until it returns."""
        try:
            step = next(steps)
            while True:
                try:
                    reply = self.fetch(step)
                except JobQueueError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(reply)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def new_connection(self, **options: Any) -> Any:
        """A connection outside the pool, for blocking commands; the caller closes it."""
        return self._connection_class(**{**self._connection_options, **options})

    def close(self) -> None:
        self._pool.disconnect()

    def _send(self, command: tuple[Any, ...], script: str | None, looks: bool = False) -> Any:
        """Loads the script when the server's cache has lost it: a restart, a failover, SCRIPT FLUSH."""
        for _ in range(RELOADS):
            try:
                return self._exchange(command, looks)
            except redis_errors.NoScriptError:
                if script is None:
                    raise
                self._exchange(self._loading(script), looks)
        return self._exchange(command, looks)

    def _exchange(self, command: tuple[Any, ...], looks: bool) -> Any:
        """One command, one reply. A connection that failed is closed, and connects again when used.

        looks: for what isn't sent a second time: not over a connection that the server has closed.
        """
        connection = self._pool.take()
        try:
            if looks:
                _close_if_ended(connection)
            connection.send_packed_command((pack_command(command),), check_health=False)
            return connection.read_response()
        except redis_errors.RedisError:
            raise  # the reply has been read, or the connection closed
        except BaseException:  # Ctrl-C, perhaps before the reply was read: nobody else may get it
            connection.disconnect()
            raise
        finally:
            self._pool.give_back(connection)

    def _recover(
        self, error: Exception, command: tuple[Any, ...], may_resend: bool, script: str | None
    ) -> Any:
        """Sends the command again while that is allowed and may help; else raises our error."""
        for attempt in itertools.count(1):
            raised = translate(error, self.config, script)
            if not (may_resend and isinstance(raised, QueueUnavailableError) and attempt <= RESENDS):
                raise raised from error
            time.sleep(pause_before(attempt))
            try:
                return self._send(command, script)
            except redis_errors.RedisError as again:
                error = again
        raise AssertionError("unreachable")


class Pending(Generic[R]):
    """A call that is packed, and then sent. It holds a connection of the pool from `send` until `wait` or
    `abandon`."""

    def __init__(self, transport: Transport, call: Call[R]) -> None:
        self._transport = transport
        self._call = call
        self._reply: Any = None
        self._packed: bytes = pack_command(transport._command_of(call))
        self._connection: Any = None

    def send(self) -> None:
        """Raises as `Transport.run` does."""
        transport = self._transport
        self._connection = transport._pool.take()
        try:
            self._connection.send_packed_command((self._packed,), check_health=False)
        except redis_errors.RedisError as error:
            self._end()
            raise translate(error, transport.config, self._call.script) from error
        except BaseException:
            self.abandon()
            raise

    def wait(self) -> None:
        """Until the reply is there. Raises as `Transport.run` does."""
        try:
            self._read()
        except redis_errors.NoScriptError:  # so it has done nothing
            self._reply = self._transport.send(self._call)
        except redis_errors.RedisError as error:
            raise translate(error, self._transport.config, self._call.script) from error

    def _read(self) -> None:
        try:
            self._reply = self._connection.read_response()
        except redis_errors.RedisError:
            self._end()
            raise
        except BaseException:
            self.abandon()
            raise
        self._end()

    def result(self) -> R:
        """What the reply says, after `wait`."""
        return self._call.parse(self._reply)

    def abandon(self) -> None:
        """Gives the reply up, and with it the connection that it would come on."""
        self._connection.disconnect()
        self._end()

    def _end(self) -> None:
        self._transport._pool.give_back(self._connection)


def _close_if_ended(connection: Any) -> None:
    """Closes an idle connection that the server has closed; it connects again when it is used."""
    try:
        ended = connection._sock is not None and connection.can_read(0)  # nothing is to come but its end
    except redis_errors.RedisError:
        ended = True
    if ended:
        connection.disconnect()


def translate(error: Exception, config: JobConfig, script: str | None = None) -> JobQueueError:
    """redis-py's error as one of ours."""
    if isinstance(error, redis_errors.ConnectionError) and isinstance(
        error.__cause__, redis_errors.RedisError
    ):
        error = error.__cause__  # redis.asyncio hides so why a connection wasn't made
    if isinstance(error, redis_errors.TimeoutError):
        text = f"no answer from {config.location} within {config.socket_timeout:g} s: {error}"
        return QueueTimeoutError(text + _tls_hint(error, config))
    if isinstance(error, (redis_errors.AuthenticationError, redis_errors.AuthorizationError)):
        return QueueRefusedError(f"{config.location} refuses this client: {error}")
    if isinstance(error, redis_errors.ConnectionError):
        told_wrongly = config.ssl and tls.wrong_setting(config.ssl_options, str(error))
        kind = QueueRefusedError if told_wrongly else QueueUnavailableError
        return kind(f"can't reach {config.location}: {error}" + _tls_hint(error, config))
    text = str(error)
    if isinstance(error, redis_errors.NoPermissionError) or any(words in text for words in _DENIED_IN_SCRIPT):
        return AccessDeniedError(
            f"{config.location}: the user {config.username or 'default'!r} may not do that "
            f"({_with_lua_lines(text, script)}): give it the rules that `faciliter-jobs acl` prints "
            "for what it does"
        )
    if isinstance(error, redis_errors.OutOfMemoryError) or "OOM command not allowed" in text:
        return QueueFullError(f"{config.location} is at its memory limit (maxmemory): {text}")
    if isinstance(error, redis_errors.NoScriptError):  # so it has done nothing
        return QueueUnavailableError(
            f"{config.location} loses its scripts as fast as they are loaded: {text}"
        )
    if text.startswith(_BUSY):
        return QueueUnavailableError(f"{config.location} serves nobody now: {text}")
    if isinstance(error, _CANT_WRITE_NOW) or any(word in text for word in _CANT_WRITE_WORDS):
        return QueueUnavailableError(f"{config.location} can't write now: {text}")
    return ScriptFailedError(_with_lua_lines(text, script))


def _tls_hint(error: Exception, config: JobConfig) -> str:
    hint = tls.hint(config.ssl_options, str(error)) if config.ssl else ""
    return f" ({hint})" if hint else ""


def _with_lua_lines(text: str, script: str | None) -> str:
    if script is None:
        return text
    whole = composed(script)
    return f"{whole.name}: " + _SCRIPT_LINE.sub(lambda m: f"{whole.locate(int(m[1]))}: ", text)


def _connection_class(config: JobConfig) -> type[AbstractConnection]:
    if config.unix_socket:
        return UnixDomainSocketConnection
    return SSLConnection if config.ssl else Connection


def connection_options(config: JobConfig) -> dict[str, Any]:
    """The arguments of redis-py's connections, sync and asyncio alike."""
    options: dict[str, Any] = {
        "db": config.db,
        "username": config.username,
        "password": config.password,
        "socket_timeout": config.socket_timeout,
        "socket_connect_timeout": config.socket_timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    if config.unix_socket:
        return {**options, "path": config.unix_socket}
    options.update(host=config.host, port=config.port, socket_keepalive=True)
    return {**options, **tls.read(config.ssl_options)} if config.ssl else options
