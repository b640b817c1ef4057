"""A worker with several slots, as worker/crew.py does it: all that it holds runs, and ends in any order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tests.protocol.calls import Asked, Attempt, Given
from tests.protocol.contents import View
from tests.protocol.workers import GONE, IDLE, LEAVING, NEW, PARKED, WOKEN, Left, Worker


def calls(worker: Worker, left: Left, view: View) -> Iterator[tuple[Asked, Left]]:
    name, phase, hands = worker.name, worker.phase, worker.hands
    yield Asked("heartbeat", name, (hands,)), left
    if phase == PARKED:
        if left.losses or name in view.inboxes:
            yield Asked("move", name), left
        for asked in _turns(worker, want=False):  # by a thread of its own
            yield asked, left
    elif phase == WOKEN:
        yield _adopt(worker), left
    elif phase == LEAVING:
        yield Asked("leave", name), left
    elif phase == IDLE:
        for asked in _next(worker):
            yield asked, left


def _next(worker: Worker) -> Iterator[Asked]:
    free = worker.slots - len(worker.hands)
    if free < 0:
        yield Asked("release", worker.name, (worker.hands[worker.slots :],))
        return
    if worker.may_have_more:
        yield _adopt(worker)
    if worker.kept:
        yield from _turns(worker, want=False)
    else:
        if not worker.may_have_more:
            yield from _turns(worker, want=True)
        if free:
            yield Asked("park", worker.name, (free, _known(worker), worker.slots))


def _known(worker: Worker) -> tuple[str, ...]:
    known = {each[0] for each in (*worker.hands, *worker.kept)} - {worker.handed}
    return tuple(sorted(known))


def _adopt(worker: Worker) -> Asked:
    return Asked("adopt", worker.name, (_known(worker),))


def _turns(worker: Worker, want: bool) -> Iterator[Asked]:
    """One for each set of runs that may have ended."""
    hands = worker.hands
    for count in range(0 if worker.kept else 1, len(hands) + 1):
        for some in combinations(hands, count):
            ended = worker.kept + tuple((job_id, token, "completed") for job_id, token in some)
            free = worker.slots - len(hands) + count
            parks = want and count == len(hands)
            yield Asked("turn", worker.name, (ended, free if want else 0, worker.slots, parks))


def answered(worker: Worker, asked: Asked, given: Given, _: View) -> Worker:
    script = asked.script
    if script == "heartbeat":
        return worker._replace(phase=IDLE) if worker.phase == NEW else worker
    if script == "move":
        return worker._replace(phase=WOKEN, handed=given.moved)
    if script == "leave":
        return Worker(worker.name, GONE)
    if script == "release":
        return worker._replace(hands=worker.hands[: worker.slots])
    if script == "turn":
        return worker._replace(
            phase=PARKED if given.wait else worker.phase,
            hands=_unreported(worker, asked) + given.jobs,
            kept=(),
            may_have_more=worker.may_have_more or given.wait,
        )
    waits = given.wait and not given.jobs
    return worker._replace(
        phase=PARKED if waits else IDLE, hands=worker.hands + given.jobs, may_have_more=waits, handed=""
    )


def unanswered(worker: Worker, asked: Asked) -> Worker:
    script = asked.script
    if script == "turn":
        more = worker.may_have_more or worker.phase == IDLE
        return worker._replace(hands=_unreported(worker, asked), kept=asked.what[0], may_have_more=more)
    if script == "release":
        return worker._replace(hands=worker.hands[: worker.slots], may_have_more=True)
    if script in ("park", "adopt", "move"):
        return worker._replace(phase=IDLE, may_have_more=True, handed="")
    return worker


def _unreported(worker: Worker, asked: Asked) -> tuple[Attempt, ...]:
    reported = {(job_id, token) for job_id, token, _ in asked.what[0]}
    return tuple(attempt for attempt in worker.hands if attempt not in reported)
