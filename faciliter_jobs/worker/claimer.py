"""A worker's talk with the queue: turns when it is busy, parking and the inbox when it is idle."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .. import scripts
from ..queue import RedisJobQueue
from ..record import Claimed
from ..scripts import Call, Ending, Outcome, Parked, Turned
from ..scripts.base import R
from ..transport import Pending
from .adoption import Adoption
from .inbox import Handed, Inbox, clock
from .turns import Turns

_SERVING = "turn", "park", "adopt", "read/handed", "tend", "heartbeat", "release"
_TEND_LIMIT = 256  # of due, lost and old jobs each that one call looks after for all
_PARK_MARGIN_MS = 500


class Claimer:
    def __init__(
        self,
        queue: RedisJobQueue,
        worker: str,
        types: Sequence[str],
        lease_ms: int,
        poll_interval: float,
        slots: int = 1,
        adoption: Adoption | None = None,
    ) -> None:
        """With an `adoption`, a job that is handed over can be begun at once."""
        self._queue = queue
        self._worker = worker
        self._types = list(types)  # empty: any type
        self._lease_ms = lease_ms
        self._poll_interval = poll_interval
        self._park_ms = round(poll_interval * 1000) + _PARK_MARGIN_MS
        self._asked_at = 0.0  # when the last call was made ready that may park, by `clock`
        self._slots = slots
        self._rotates = False
        self._tends_at = 0.0
        self._adoption = adoption
        show, follows = (adoption.show, adoption.adopt) if adoption else (None, None)
        self.turns = Turns()
        self._inbox = Inbox(queue.transport, queue.tag, worker, show, follows, self.turns)

    def load_scripts(self) -> None:
        """What a job would wait for when it is first needed."""
        for script in _SERVING:
            self._queue.transport.load(script)

    def prepare_turn(self, outcomes: Sequence[Outcome], want: int, *, parks: bool) -> Pending[Turned]:
        """A call that ends attempts and claims more, packed and not sent yet. It `parks` a worker that holds
        nothing else when nothing waits: then jobs are `handed_over`."""
        return self._queue.transport.prepare(self._turn(outcomes, want, parks))

    def send_turn(self, turn: Pending[Turned]) -> None:
        """Its reply is read later. When that fails, the outcomes may or may not have been taken:
        `report` them again. Jobs that were claimed with a lost reply stand in our own lists, where
        the next park finds them."""
        self.confirm()
        self.tend_now_and_then()
        turn.send()

    def turn(self, outcomes: Sequence[Outcome], want: int, *, parks: bool) -> Turned:
        """As `prepare_turn`; waits for the reply."""
        self.tend_now_and_then()
        return self._run(self._turn(outcomes, want, parks))

    def report(self, outcomes: Sequence[Outcome]) -> list[Ending]:
        """Ends attempts; safe to do twice."""
        return self._run(self._turn(outcomes, 0, parks=False)).endings

    def release(self, jobs: Sequence[Claimed]) -> None:
        """Gives jobs back that have not been started."""
        held = [(claimed.job_id, claimed.token) for claimed in jobs]
        self._run(scripts.release(self._queue.tag, worker=self._worker, held=held))

    def _turn(self, outcomes: Sequence[Outcome], want: int, parks: bool) -> Call[Turned]:
        if parks:
            self._asked_at = clock()
        return scripts.turn(
            self._queue.tag,
            worker=self._worker,
            lease_ms=self._lease_ms,
            want=want,
            slots=self._slots,
            park_ms=self._park_ms if parks else 0,
            types=self._rotated_types() if want else [],
            outcomes=outcomes,
        )

    def next_jobs(self, want: int) -> list[Claimed]:
        """What there is to do, waiting for at most one poll interval; [] when there is nothing."""
        parked = self.park(want)
        return parked.jobs or self.handed_over(parked)

    def handed_over(self, parked: Parked) -> list[Claimed]:
        """What is handed over to the worker that is parked, within at most one poll interval."""
        handed = self.wait(parked)
        return [] if handed is None else self.take_up(handed)

    def park(self, want: int, known: Sequence[str] = ()) -> Parked:
        """Jobs to do, or how long to `wait` for some. `known`: ids that are held already."""
        self._tends_at = time.monotonic() + self._poll_interval
        self._asked_at = clock()
        call = scripts.park(
            self._queue.tag,
            worker=self._worker,
            lease_ms=self._lease_ms,
            park_ms=self._park_ms,
            want=want,
            slots=self._slots,
            tend_limit=_TEND_LIMIT,
            types=self._rotated_types(),
            known=known,
        )
        parked = self._run(call)
        self._note_found(parked.jobs)
        return parked

    def wait(self, parked: Parked) -> Handed | None:
        """A job that was handed over within the poll interval, to be had by `take_up`."""
        wait = self._poll_interval
        if parked.wait_ms is not None:
            wait = min(wait, parked.wait_ms / 1000)
        return self._inbox.wait(wait, self._asked_at) if wait > 0 else None

    def take_up(self, handed: Handed, known: Sequence[str] = ()) -> list[Claimed]:
        """What was handed over, begun at once where that may be, else by `adopt`. `known`: other ids that are
        held."""
        begun = self._adoption.begin(handed, known) if self._adoption else None
        return self.adopt(known) if begun is None else [begun]

    def adopt(self, known: Sequence[str] = ()) -> list[Claimed]:
        """What stands in the worker's own lists and isn't among the ids in `known`."""
        call = scripts.adopt(self._queue.tag, worker=self._worker, lease_ms=self._lease_ms, known=known)
        found = self._run(call)
        self._note_found(found)
        return found

    def _note_found(self, jobs: Sequence[Claimed]) -> None:
        """One of them may be what the BLMOVE that waits has moved."""
        if jobs:
            self._inbox.forestall()

    def leave(self) -> list[str]:
        """Gives back what is still held. Returns the ids."""
        return self._run(scripts.leave(self._queue.tag, worker=self._worker))

    def _run(self, call: Call[R]) -> R:
        self.confirm()
        return self._queue.transport.run(call)

    def confirm(self) -> None:
        """Waits until the server has begun what was begun here before it said so."""
        if self._adoption is not None:
            self._adoption.confirm()

    def wake(self) -> None:
        """Ends a wait at once; safe in a signal handler."""
        self._inbox.wake()

    def close(self) -> None:
        self._inbox.close()

    def tend_now_and_then(self) -> None:
        """A busy worker looks after everyone's due, lost and old jobs once per poll interval, and sooner
        while there are more of them than one step takes."""
        now = time.monotonic()
        if now >= self._tends_at:
            self._tends_at = now + self._poll_interval  # also when it fails
            again_ms = self._run(scripts.tend(self._queue.tag, limit=_TEND_LIMIT))
            if again_ms is not None:
                self._tends_at = min(self._tends_at, time.monotonic() + again_ms / 1000)

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
