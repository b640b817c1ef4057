"""Runs script calls on a server: connections, lost script caches, re-sending, errors by name."""

from __future__ import annotations

import random
import re
import time
from typing import Any, TypeVar

import redis
from redis import exceptions as redis_errors
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from .config import JobConfig
from .errors import (
    JobQueueError,
    QueueFullError,
    QueueTimeoutError,
    QueueUnavailableError,
    ScriptFailedError,
)
from .scripts import Call, composed

R = TypeVar("R")

_RESENDS = 2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_SCRIPT_LINE = re.compile(r"user_script:(\d+):? *")


def pause_before(attempt: int, longest: float = _LONGEST_PAUSE) -> float:
    """Seconds to wait before try number `attempt` (from 1): exponential, with full jitter, so that
    many clients of a server that comes back don't come back at once."""
    return random.uniform(0.5, 1) * min(longest, _FIRST_PAUSE * 2.0 ** (attempt - 1))


class Transport:
    """A pool of connections to one server, and the scripts registered on it.

    redis-py's own retries are off: it would re-send scripts that may not be sent twice. A call that
    may be is re-sent here, when `retry_on_timeout` is set.
    """

    def __init__(self, config: JobConfig) -> None:
        self.config = config
        self._pool: Any = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]
            connection_class=_connection_class(config),
            max_connections=config.max_connections,
            timeout=max(1, int(config.socket_timeout)),
            **_connection_options(config),
        )
        self.client: Any = redis.Redis(connection_pool=self._pool)
        self._scripts: dict[str, Script] = {}

    def run(self, call: Call[R]) -> R:
        """Raises QueueUnavailableError, QueueTimeoutError, QueueFullError, ScriptFailedError."""
        may_resend = call.resend and self.config.retry_on_timeout
        return call.parse(self._with_resends(lambda: self._send(call), may_resend, call.script))

    def command(self, *args: Any) -> Any:
        """A plain read of Redis's own, with the same errors."""
        return self._with_resends(
            lambda: self.client.execute_command(*args), self.config.retry_on_timeout, None
        )

    def new_connection(self) -> AbstractConnection:
        """A connection outside the pool, for blocking commands; the caller closes it."""
        connection: AbstractConnection = self._pool.connection_class(**self._pool.connection_kwargs)
        return connection

    def close(self) -> None:
        self._pool.disconnect()

    def _send(self, call: Call[Any]) -> Any:
        script = self._scripts.get(call.script)
        if script is None:
            script = self.client.register_script(self._text_of(call.script))
            self._scripts[call.script] = script
        return script(keys=[call.tag], args=call.args)

    def _text_of(self, script: str) -> str:
        return composed(script).text

    def _with_resends(self, send: Any, may_resend: bool, script: str | None) -> Any:
        attempt = 0
        while True:
            try:
                return send()
            except redis_errors.RedisError as error:
                attempt += 1
                raised = translate(error, self.config, script)
                if not (may_resend and isinstance(raised, QueueUnavailableError) and attempt <= _RESENDS):
                    raise raised from error
                time.sleep(pause_before(attempt))


def translate(error: Exception, config: JobConfig, script: str | None = None) -> JobQueueError:
    """redis-py's error as one of ours."""
    if isinstance(error, redis_errors.TimeoutError):
        return QueueTimeoutError(
            f"no answer from {config.location} within {config.socket_timeout:g} s: {error}"
        )
    if isinstance(error, (redis_errors.AuthenticationError, redis_errors.AuthorizationError)):
        return QueueUnavailableError(f"{config.location} refuses this client: {error}")
    if isinstance(error, redis_errors.ConnectionError):
        return QueueUnavailableError(f"can't reach {config.location}: {error}")
    text = str(error)
    if "OOM command not allowed" in text:
        return QueueFullError(f"{config.location} is at its memory limit (maxmemory): {text}")
    for word in ("READONLY", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "LOADING"):
        if word in text:
            return QueueUnavailableError(f"{config.location} can't write now: {text}")
    return ScriptFailedError(_with_lua_lines(text, script))


def _with_lua_lines(text: str, script: str | None) -> str:
    if script is None:
        return text
    whole = composed(script)
    return f"{whole.name}: " + _SCRIPT_LINE.sub(lambda m: f"{whole.locate(int(m[1]))}: ", text)


def _connection_class(config: JobConfig) -> type[AbstractConnection]:
    if config.unix_socket:
        return UnixDomainSocketConnection
    return SSLConnection if config.ssl else Connection


def _connection_options(config: JobConfig) -> dict[str, Any]:
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
    return {**options, **config.ssl_options} if config.ssl else options
