"""Connections to one server, lent to one caller at a time.

redis-py's pools look at the socket before each command and count what they do; on a loopback round
trip of 70 microseconds that is a third more. This one does neither: a connection that the server has
closed meanwhile shows when it is used, and the transport re-sends what may be re-sent. Only for what may
not be does the transport look at the socket before.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import QueueUnavailableError
from .forks import call_in_child


class ConnectionPool:
    """At most `size` connections; the one used last is lent first. Safe between threads, and in a
    forked child, which starts with none."""

    def __init__(self, make: Callable[[], Any], size: int, timeout: float) -> None:
        self._make = make
        self._size = size
        self._timeout = timeout
        self._forget()
        call_in_child(self._forget)

    def _forget(self) -> None:
        self._idle: deque[Any] = deque()
        self._made = 0
        self._waiting = 0
        self._changed = threading.Condition()

    def take(self) -> Any:
        """A connection, perhaps not connected yet. Raises QueueUnavailableError when all are in use
        for longer than `timeout` seconds."""
        try:
            return self._idle.pop()  # the usual case takes no lock
        except IndexError:
            return self._wait_for_one()

    def give_back(self, connection: Any) -> None:
        self._idle.append(connection)
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def _wait_for_one(self) -> Any:
        deadline = time.monotonic() + self._timeout
        with self._changed:
            self._waiting += 1  # before the look: who gives back after it will notify
            try:
                while True:
                    with contextlib.suppress(IndexError):
                        return self._idle.pop()
                    if self._made < self._size:
                        self._made += 1
                        return self._make()
                    if not self._changed.wait(deadline - time.monotonic()):
                        raise QueueUnavailableError(
                            f"all {self._size} connections are in use for {self._timeout:g} s "
                            "(JobConfig.max_connections)"
                        )
            finally:
                self._waiting -= 1

    def disconnect(self) -> None:
        """Closes the connections that nobody uses; they connect again when they are."""
        for connection in list(self._idle):
            connection.disconnect()
