"""What a worker knows of itself, and what it may do next, as worker/loop.py does it: it holds several
jobs and runs one at a time. What it is handed it begins at once, before `adopt` has said that it may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.protocol.calls import Asked, Attempt, Ended, Given
from tests.protocol.contents import View

# What a worker is about to do.
NEW = "new"  # say that it lives
IDLE = "idle"  # run what it holds, or look for work
PARKED = "parked"  # wait in BLMOVE on its inbox
WOKEN = "woken"  # take over what BLMOVE brought
LEAVING = "leaving"  # give everything back
GONE = "gone"


class Left(NamedTuple):
    """How often each of these may still happen."""

    crashes: int = 0
    losses: int = 0  # calls without a reply
    times: int = 0  # times that terms.step_ms pass
    stops: int = 0
    releases: int = 0
    failures: int = 0  # of handlers


class Worker(NamedTuple):
    name: str
    phase: str
    hands: tuple[Attempt, ...] = ()  # claimed; the first may be running
    kept: tuple[Ended, ...] = ()  # reported, without an answer
    slots: int = 1
    may_have_more: bool = False  # jobs may stand in its lists that it doesn't know of
    handed: str = ""  # what BLMOVE brought
    begun: tuple[Attempt, ...] = ()  # runs already, while `adopt` is asked for it


def calls(
    worker: Worker, left: Left, want: int, inside: tuple[str, ...], view: View
) -> Iterator[tuple[Asked, Left]]:
    """The calls that it may make now, and what is left of the bounds after each."""
    name, phase = worker.name, worker.phase
    yield Asked("heartbeat", name, (worker.hands,)), left  # from a thread of its own
    if phase == PARKED:
        if left.losses or name in view.inboxes:
            yield Asked("move", name), left
    elif phase == WOKEN:
        yield Asked("adopt", name), left
    elif phase == LEAVING:
        yield Asked("leave", name), left
    elif phase == IDLE:
        if worker.kept:
            for count in range(len(worker.hands) + 1):
                yield _turn(worker, count, 0), left
        elif not worker.hands:
            yield Asked("park", name, (want,)), left
        else:
            yield from _work(worker, left, want, inside)


def _work(worker: Worker, left: Left, want: int, inside: tuple[str, ...]) -> Iterator[tuple[Asked, Left]]:
    hands = worker.hands
    yield _turn(worker, 1, 0), left
    yield _turn(worker, len(hands), want), left
    if len(hands) > 1:
        yield _turn(worker, 1, want), left
        if left.releases:
            asked = Asked("release", worker.name, (hands[1:],))
            yield asked, left._replace(releases=left.releases - 1)
    if left.failures:
        fewer = left._replace(failures=left.failures - 1)
        for ending in ("failed", "failed, later again", "postponed"):
            yield _turn(worker, 1, want, ending), fewer
    for script in inside:
        yield Asked(script, worker.name, (*hands[0], hands[0][1])), left


def _turn(worker: Worker, count: int, want: int, ending: str = "completed") -> Asked:
    ended = tuple((job_id, token, ending) for job_id, token in worker.hands[:count])
    parks = want > 0 and count == len(worker.hands)
    return Asked("turn", worker.name, (worker.kept + ended, want, worker.slots, parks))


def answered(worker: Worker, asked: Asked, given: Given, view: View) -> Worker:
    """The worker after a call's reply. `view`: of the server when it was carried out."""
    script = asked.script
    if script == "heartbeat":
        return worker._replace(phase=IDLE) if worker.phase == NEW else worker
    if script == "move":
        return worker._replace(phase=WOKEN, begun=_shown(worker, given.moved, view))
    if script == "adopt":  # also what turns out to be another's runs to its end, and is reported
        return worker._replace(phase=IDLE, hands=tuple(dict.fromkeys(given.jobs + worker.begun)), begun=())
    if script == "leave":
        return Worker(worker.name, GONE)
    if script in ("complete", "fail", "progress"):
        return worker  # the handler returns later, and its outcome is reported as every other
    if script == "release":
        return worker._replace(hands=worker.hands[:1])
    phase = PARKED if given.wait and not given.jobs else IDLE
    return worker._replace(phase=phase, hands=_unreported(worker, asked) + given.jobs, kept=())


def _shown(worker: Worker, job_id: str, view: View) -> tuple[Attempt, ...]:
    job = view.jobs.get(job_id)
    if job is None or (job.status, job.worker) != ("pending", worker.name):
        return ()
    return ((job_id, job.token),)


def unanswered(worker: Worker, asked: Asked) -> Worker:
    """The worker after a call that it has given up. Most are simply made again."""
    if asked.script == "turn":  # reported again, and nothing claimed before that
        return worker._replace(hands=_unreported(worker, asked), kept=asked.what[0])
    if asked.script == "move":
        return worker._replace(phase=IDLE)
    return worker


def _unreported(worker: Worker, asked: Asked) -> tuple[Attempt, ...]:
    if asked.script != "turn":
        return worker.hands
    reported = {(job_id, token) for job_id, token, _ in asked.what[0]}
    return tuple(attempt for attempt in worker.hands if attempt not in reported)
