"""A connection that hears of jobs that end: one channel each (lua/lib/notice.lua)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from hiredis import pack_command
from redis import exceptions as redis_errors

from . import keys
from .transport import Transport, translate

CHANNELS_IN_ONE_COMMAND = 1000
# Push messages look the same then, in all versions of redis-py.
PROTOCOL = 2


def subscriptions(tag: str, job_ids: Iterable[str], verb: str = "SUBSCRIBE") -> Iterator[tuple[bytes, int]]:
    """Commands, each with the number of confirmations that come for it."""
    ids = list(job_ids)
    for first in range(0, len(ids), CHANNELS_IN_ONE_COMMAND):
        some = ids[first : first + CHANNELS_IN_ONE_COMMAND]
        command: tuple[Any, ...] = (verb, *(keys.done(tag, job_id) for job_id in some))
        yield pack_command(command), len(some)


def job_id_of(message: Any, tag: str) -> str | None:
    """The job that a message says has ended; None for another message."""
    if message[0] != b"message":
        return None
    channel: bytes = message[1]
    return channel.decode()[len(keys.done(tag, "")) :]


class Notices:
    """Subscribed to the ends of some jobs, until it is closed. Raises QueueUnavailableError when the
    connection breaks: what has ended since isn't known then."""

    def __init__(self, transport: Transport, tag: str, job_ids: Iterable[str]) -> None:
        self._config = transport.config
        self._tag = tag
        self._connection = transport.new_connection(protocol=PROTOCOL)
        self._heard: list[str] = []
        try:
            self.subscribe(job_ids)
        except BaseException:
            self.close()
            raise

    def wait(self, timeout: float) -> list[str]:
        """The ids of jobs that have ended; [] when none has within `timeout` seconds."""
        if not self._heard and self._can_read(timeout):
            self._read()
        while self._can_read(0):
            self._read()
        heard, self._heard = self._heard, []
        return heard

    def subscribe(self, job_ids: Iterable[str]) -> None:
        """Subscribed to the jobs' ends when this returns. Raises QueueTimeoutError when the connection is
        half open; so a job that it has already serves to see whether it is alive."""
        for command, count in subscriptions(self._tag, job_ids):
            self._send(command)
            for _ in range(count):
                while self._read() != b"subscribe":
                    continue

    def close(self) -> None:
        self._connection.disconnect()

    def __enter__(self) -> Notices:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, command: bytes) -> None:
        try:
            self._connection.send_packed_command((command,), check_health=False)
        except redis_errors.RedisError as error:
            raise translate(error, self._config) from error

    def _can_read(self, timeout: float) -> bool:
        try:
            return bool(self._connection.can_read(math.ceil(timeout * 1000) / 1000))
        except redis_errors.RedisError as error:
            raise translate(error, self._config) from error

    def _read(self) -> bytes:
        """Takes one message in; returns its kind."""
        try:
            message = self._connection.read_response()
        except redis_errors.RedisError as error:
            raise translate(error, self._config) from error
        job_id = job_id_of(message, self._tag)
        if job_id is not None:
            self._heard.append(job_id)
        kind: bytes = message[0]
        return kind
