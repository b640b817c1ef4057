"""A worker's wait for a job to be handed to it."""

from __future__ import annotations

import os
import select
from typing import Any

from redis import exceptions as redis_errors

from .. import keys
from ..errors import QueueTimeoutError
from ..transport import Transport, translate

_REPLY_MARGIN = 5.0  # seconds that a BLMOVE's reply may be late


class Inbox:
    """BLMOVE from the inbox to the processing list, on a connection of its own.

    The wait is on the socket and on our own pipe, so that `wake` ends it. Nothing is ever re-sent: a
    second BLMOVE could move a second job. Whatever one moved unseen, the next park adopts.
    """

    def __init__(self, transport: Transport, tag: str, worker: str) -> None:
        self._transport = transport
        self._lists = keys.inbox(tag, worker), keys.processing(tag, worker)
        self._connection: Any = None  # redis-py's; its methods are untyped
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def wait(self, seconds: float) -> str | None:
        """The id of the job that came; None when none did, or when woken."""
        try:
            if self._connection is None:
                self._connection = self._transport.new_connection()
            connection = self._connection
            timeout = max(0.001, round(seconds, 3))
            connection.send_command("BLMOVE", *self._lists, "LEFT", "RIGHT", timeout)
            if self._is_woken(connection, seconds + _REPLY_MARGIN):
                return None
            moved = connection.read_response()
            return None if moved is None else str(moved.decode())
        except redis_errors.RedisError as error:
            self._drop()
            raise translate(error, self._transport.config) from error
        except BaseException:
            self._drop()
            raise

    def wake(self) -> None:
        """Ends a wait at once; safe in a signal handler."""
        try:
            os.write(self._wake_write, b"w")
        except (BlockingIOError, OSError):
            return  # a wake-up is on its way already, or the worker has ended

    def close(self) -> None:
        self._drop()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _is_woken(self, connection: Any, timeout: float) -> bool:
        """Returns when there is a reply, or when woken: then the connection is dropped with its BLMOVE."""
        poll = select.poll()
        poll.register(connection._sock.fileno(), select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(timeout * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
            self._drop()
            return True
        if not ready:
            raise QueueTimeoutError(f"no answer to BLMOVE from {self._transport.config.location}")
        return False

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None
