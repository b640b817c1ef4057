"""A worker's wait for a job to be handed to it."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from typing import Any

from redis import exceptions as redis_errors

from .. import keys
from ..errors import QueueTimeoutError
from ..scripts import Call, Command
from ..transport import Transport, translate
from .turns import LOOK_EVERY, Turns

_ASKS_FOR = 10.0  # seconds that one BLMOVE waits; it goes on while the worker parks again
_REPLY_MARGIN = 5.0  # seconds that its reply may be late


@dataclass(slots=True)
class Handed:
    """A job that was handed over."""

    job_id: str
    shown: Any = None  # the reply of the script that shows it
    since: float = 0.0  # by `clock`: it came after that


class Inbox:
    """BLMOVE from the inbox to the processing list, on a connection of its own.

    The wait is on the socket and on our own pipe, so that `wake` ends it. Nothing is ever re-sent: a
    second BLMOVE could move a second job. Whatever one moved unseen, the next park adopts.

    `show`, a call that shows what came, is sent right behind BLMOVE: the server carries it out as soon
    as that has moved a job, and both replies arrive together. The server is made to know its script, and
    that of the call that `follows`, which would otherwise have to be sent twice.
    """

    def __init__(
        self,
        transport: Transport,
        tag: str,
        worker: str,
        show: Call[Any] | None = None,
        follows: Call[Any] | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._transport = transport
        self._turns = turns or Turns()
        lists = keys.inbox(tag, worker), keys.processing(tag, worker)
        self._commands = transport.packed(Command(("BLMOVE", *lists, "LEFT", "RIGHT", _ASKS_FOR)))
        self._is_shown = show is not None
        if show is not None:
            self._commands += transport.packed(show)
        self._scripts = [call.script for call in (show, follows) if call is not None]
        self._connection: Any = None  # redis-py's; its methods are untyped
        self._asked_at: float | None = None  # when the BLMOVE was sent that waits now
        self._empty_at = 0.0  # when nothing had come yet
        self._is_first = False  # nobody has looked by other means since that BLMOVE was sent
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def wait(self, seconds: float, since: float) -> Handed | None:
        """The job that came; None when none did, or when woken. `since`: when the worker asked to be parked,
        by `clock`. Nothing has come before that."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                if self._asked_at is None:
                    self._ask(since)
                self._turns.note()
                left = deadline - time.monotonic()
                if self._has_reply(min(max(left, 0.0), LOOK_EVERY)):
                    if handed := self._read():
                        return handed
                elif self._asked_at is None or left <= LOOK_EVERY:
                    return None  # woken, or its time is over
        except redis_errors.RedisError as error:
            self._drop()
            raise translate(error, self._transport.config) from error
        except BaseException:
            self._drop()
            raise

    def forestall(self) -> None:
        """Jobs have been found by other means: what comes of the BLMOVE that waits may be one of them, and
        is not shown."""
        self._is_first = False

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

    def _ask(self, since: float) -> None:
        if self._connection is None:
            self._connection = self._transport.new_connection()
            self._register()
        self._asked_at = clock()
        self._empty_at = max(self._empty_at, since)
        self._is_first = True
        self._connection.send_packed_command((self._commands,))

    def _has_reply(self, timeout: float) -> bool:
        """False when nothing has come, or when woken: then the connection is dropped with its BLMOVE."""
        poll = select.poll()
        poll.register(self._connection._sock.fileno(), select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        before = clock()
        ready = {fd for fd, _ in poll.poll(timeout * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
            self._drop()
            return False
        if ready:
            return True
        self._empty_at = before + timeout
        if self._asked_at is not None and clock() > self._asked_at + _ASKS_FOR + _REPLY_MARGIN:
            raise QueueTimeoutError(f"no answer to BLMOVE from {self._transport.config.location}")
        return False

    def _read(self) -> Handed | None:
        moved = self._connection.read_response()
        shown = self._read_shown() if self._is_shown else None
        self._asked_at = None
        if moved is None:
            return None
        if shown and (shown[1] != moved or not self._is_first):
            shown = None
        return Handed(moved.decode(), shown, self._empty_at)

    def _read_shown(self) -> Any:
        try:
            return self._connection.read_response()
        except redis_errors.NoScriptError:
            self._register()
            return None

    def _register(self) -> None:
        for script in self._scripts:
            self._transport.register(script, self._connection)

    def _drop(self) -> None:
        self._asked_at = None
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None


def clock() -> float:
    """Seconds that pass also while the machine sleeps, where the system can tell."""
    return time.clock_gettime(_CLOCK) if _CLOCK is not None else time.monotonic()


_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)
