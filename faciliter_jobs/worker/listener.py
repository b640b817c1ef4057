"""A thread that hears at once which of the worker's running jobs have been cancelled."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable
from typing import Any

from redis import exceptions as redis_errors

from .. import keys
from ..queue import RedisJobQueue
from .calls import pause_after

log = logging.getLogger("faciliter_jobs.worker")

_ANSWER_WITHIN = 5.0  # seconds that the subscription may take


class Listener:
    """Use as a context manager around the worker's loop. It has a connection of its own, silent while
    nothing is cancelled. `on_told(token, job_id)` is called in its thread; `on_heard` whenever it
    hears (again), since it may have missed something before."""

    def __init__(
        self,
        queue: RedisJobQueue,
        worker: str,
        on_told: Callable[[str, str], None],
        on_heard: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._channel = keys.tell(queue.tag, worker)
        self._on_told = on_told
        self._on_heard = on_heard
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"listener {worker}", daemon=True)

    def __enter__(self) -> Listener:
        self._wake_read, self._wake_write = os.pipe()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        os.write(self._wake_write, b"s")
        self._thread.join(timeout=self._queue.config.socket_timeout)
        if not self._thread.is_alive():  # else it is connecting still, and needs them
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _run(self) -> None:
        faults = 0
        while not self._stop.is_set():
            connection = self._queue.transport.new_connection()
            # Messages come as plain replies; RESP3 would need handlers of redis-py's.
            connection.protocol = connection._parser.protocol = 2
            try:
                self._subscribe(connection)
                faults = 0
                self._on_heard()
                self._hear(connection)
            except (redis_errors.RedisError, OSError) as error:
                faults += 1
                if faults == 1 and not self._stop.is_set():
                    log.info("listener: the heartbeat must tell of cancelled jobs now: %s", error)
                self._stop.wait(pause_after(faults))
            finally:
                connection.disconnect()

    def _subscribe(self, connection: Any) -> None:
        connection.send_command("SUBSCRIBE", self._channel, check_health=False)
        connection.read_response(timeout=_ANSWER_WITHIN)

    def _hear(self, connection: Any) -> None:
        """Until `__exit__`, or a fault."""
        poll = select.poll()
        poll.register(connection._sock.fileno(), select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while not self._stop.is_set():
            if not connection.can_read(0):
                poll.poll()
                if self._stop.is_set():
                    return
            self._take(connection.read_response(timeout=_ANSWER_WITHIN))

    def _take(self, message: Any) -> None:
        if not (isinstance(message, list) and len(message) == 3 and message[0] == b"message"):
            return
        token, _, job_id = message[2].decode("utf-8", "replace").partition(" ")
        self._on_told(token, job_id)
