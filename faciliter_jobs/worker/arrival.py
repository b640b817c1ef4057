"""The start of a worker whose server may be away: it waits until the server is there."""

from __future__ import annotations

import logging
import threading

from ..errors import QueueRefusedError, QueueUnavailableError
from ..queue import RedisJobQueue
from .bell import Bell
from .calls import pause_after

log = logging.getLogger("faciliter_jobs.worker")

_LOOK_EVERY = 10.0  # seconds; whatever there is to see rings


class Arrival:
    """Connects in a thread, since a name that isn't resolved or a server that doesn't answer would hold up
    whoever waits: this wait can be ended at any time."""

    def __init__(self, queue: RedisJobQueue, worker: str, hint: str = "") -> None:
        self._queue = queue
        self._worker = worker
        self._hint = hint  # what to do when the server can't be reached
        self._bell = Bell()
        self._given_up = threading.Event()
        self._ended = False
        self._error: BaseException | None = None

    def wait(self, stopping: threading.Event) -> bool:
        """Until the server answers and its data can be read, or until woken when `stopping` is set.

        Returns whether the server has been found. Raises what no waiting can mend: QueueRefusedError,
        AccessDeniedError, SchemaError.
        """
        if self._queue.connected:
            return True  # it has been seen; should it be away again, the loop copes
        threading.Thread(target=self._run, name="arrival", daemon=True).start()
        while not (self._ended or stopping.is_set()):
            self._bell.wait(_LOOK_EVERY)
        self._given_up.set()
        if self._error is not None:
            raise self._error
        return self._queue.connected

    def wake(self) -> None:
        """Look whether to stop. Safe in a signal handler."""
        self._bell.ring()

    def _run(self) -> None:
        try:
            self._connect()
        except BaseException as error:  # whatever it is, the worker's thread raises it
            self._error = error
        finally:
            self._ended = True
            self._bell.ring()

    def _connect(self) -> None:
        tries = 0
        while not self._given_up.is_set():
            try:
                self._queue.connect()
            except QueueRefusedError:
                raise
            except QueueUnavailableError as error:
                tries += 1
                if tries == 1:
                    why = str(error).rstrip(".") + self._hint
                    log.warning("worker %s waits for its server: %s", self._worker, why)
                self._given_up.wait(pause_after(tries))
            else:
                if tries:
                    log.info("worker %s has found its server", self._worker)
                return
