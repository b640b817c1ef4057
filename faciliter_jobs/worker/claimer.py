"""A worker's talk with the queue: turns when it is busy, parking and the inbox when it is idle."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from typing import Any

from redis import exceptions as redis_errors

from .. import keys, scripts
from ..errors import QueueTimeoutError
from ..queue import RedisJobQueue
from ..record import Claimed
from ..scripts import Call, Ending, Outcome, Parked, Turned
from ..transport import Pending, translate

_TEND_LIMIT = 100  # of due, lost and old jobs each that one call looks after for all
_PARK_MARGIN_MS = 500
_REPLY_MARGIN = 5.0  # seconds that a BLMOVE's reply may be late


class Claimer:
    def __init__(
        self,
        queue: RedisJobQueue,
        worker: str,
        types: Sequence[str],
        lease_ms: int,
        poll_interval: float,
        slots: int = 1,
    ) -> None:
        self._queue = queue
        self._worker = worker
        self._types = list(types)  # empty: any type
        self._lease_ms = lease_ms
        self._poll_interval = poll_interval
        self._slots = slots
        self._rotates = False
        self._tended_at = 0.0
        self._inbox: Any = None  # redis-py's connection; its methods are untyped
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def prepare_turn(self, outcomes: Sequence[Outcome], want: int) -> Pending[Turned]:
        """A call that ends attempts and claims more, packed and not sent yet."""
        return self._queue.transport.prepare(self._turn(outcomes, want))

    def send_turn(self, turn: Pending[Turned]) -> None:
        """Its reply is read later. When that fails, the outcomes may or may not have been taken:
        `report` them again. Jobs that were claimed with a lost reply stand in our own lists, where
        the next park finds them."""
        self.tend_now_and_then()
        turn.send()

    def turn(self, outcomes: Sequence[Outcome], want: int) -> Turned:
        """Ends attempts and claims more, and waits for the reply."""
        self.tend_now_and_then()
        return self._queue.transport.run(self._turn(outcomes, want))

    def report(self, outcomes: Sequence[Outcome]) -> list[Ending]:
        """Ends attempts; safe to do twice."""
        return self._queue.transport.run(self._turn(outcomes, 0)).endings

    def release(self, jobs: Sequence[Claimed]) -> None:
        """Gives jobs back that have not been started."""
        held = [(claimed.job_id, claimed.token) for claimed in jobs]
        self._queue.transport.run(scripts.release(self._queue.tag, worker=self._worker, held=held))

    def _turn(self, outcomes: Sequence[Outcome], want: int) -> Call[Turned]:
        return scripts.turn(
            self._queue.tag,
            worker=self._worker,
            lease_ms=self._lease_ms,
            want=want,
            slots=self._slots,
            types=self._rotated_types() if want else [],
            outcomes=outcomes,
        )

    def next_jobs(self, want: int) -> list[Claimed]:
        """What there is to do, waiting for at most one poll interval; [] when there is nothing."""
        parked = self.park(want)
        if parked.jobs:
            return parked.jobs
        return self.adopt() if self.wait(parked) else []

    def park(self, want: int, known: Sequence[str] = ()) -> Parked:
        """Jobs to do, or how long to `wait` for some. `known`: ids that are held already."""
        self._tended_at = time.monotonic()
        call = scripts.park(
            self._queue.tag,
            worker=self._worker,
            lease_ms=self._lease_ms,
            park_ms=round(self._poll_interval * 1000) + _PARK_MARGIN_MS,
            want=want,
            slots=self._slots,
            tend_limit=_TEND_LIMIT,
            types=self._rotated_types(),
            known=known,
        )
        return self._queue.transport.run(call)

    def wait(self, parked: Parked) -> str | None:
        """The id of a job that was handed over within the poll interval, to be had by `adopt`."""
        wait = self._poll_interval
        if parked.wait_ms is not None:
            wait = min(wait, parked.wait_ms / 1000)
        return self._wait_on_inbox(wait) if wait > 0 else None

    def adopt(self, known: Sequence[str] = ()) -> list[Claimed]:
        """What stands in the worker's own lists and isn't among the ids in `known`."""
        call = scripts.adopt(self._queue.tag, worker=self._worker, lease_ms=self._lease_ms, known=known)
        return self._queue.transport.run(call)

    def leave(self) -> list[str]:
        """Gives back what is still held. Returns the ids."""
        return self._queue.transport.run(scripts.leave(self._queue.tag, worker=self._worker))

    def wake(self) -> None:
        """Ends a wait at once; safe in a signal handler."""
        try:
            os.write(self._wake_write, b"w")
        except (BlockingIOError, OSError):
            return  # a wake-up is on its way already, or the worker has ended

    def close(self) -> None:
        self._drop_inbox()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def tend_now_and_then(self) -> None:
        """A busy worker looks after everyone's due, lost and old jobs once per poll interval."""
        now = time.monotonic()
        if now - self._tended_at >= self._poll_interval:
            self._tended_at = now
            self._queue.transport.run(scripts.tend(self._queue.tag, limit=_TEND_LIMIT))

    def _rotated_types(self) -> list[str]:
        """Another type first each time, so that none waits for the others to be empty."""
        if self._rotates and len(self._types) > 1:
            self._types.append(self._types.pop(0))
        self._rotates = True
        return self._types

    def ask_again(self) -> None:
        """The last turn brought nothing: the next one begins with the same type. It may have a job that
        runs alone, which others would get in front of for ever."""
        self._rotates = False

    def _wait_on_inbox(self, seconds: float) -> str | None:
        """BLMOVE from the inbox to the processing list; the job's id when one came.

        The wait is on the socket and on our own pipe, so that `wake` ends it. The command is never
        re-sent: a second one could move a second job. Whatever it moved unseen, the next park adopts.
        """
        try:
            connection = self._inbox or self._queue.transport.new_connection()
            self._inbox = connection
            source = keys.inbox(self._queue.tag, self._worker)
            target = keys.processing(self._queue.tag, self._worker)
            connection.send_command("BLMOVE", source, target, "LEFT", "RIGHT", max(0.001, round(seconds, 3)))
            if not self._readable(connection, seconds + _REPLY_MARGIN):
                return None
            moved = connection.read_response()
            return None if moved is None else str(moved.decode())
        except redis_errors.RedisError as error:
            self._drop_inbox()
            raise translate(error, self._queue.config) from error
        except BaseException:
            self._drop_inbox()
            raise

    def _readable(self, connection: Any, timeout: float) -> bool:
        """False when woken: then the connection is dropped with its BLMOVE."""
        poll = select.poll()
        poll.register(connection._sock.fileno(), select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(timeout * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
            self._drop_inbox()
            return False
        if not ready:
            self._drop_inbox()
            raise QueueTimeoutError(f"no answer to BLMOVE from {self._queue.config.location}")
        return True

    def _drop_inbox(self) -> None:
        if self._inbox is not None:
            self._inbox.disconnect()
            self._inbox = None
