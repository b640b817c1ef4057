"""Who acts, what each knows of itself, and what it may do next: the producer, the workers, the tender,
an operator, time, and the network, which may hold a call back until its sender has given it up.

A worker does what worker/loop.py and worker/claimer.py do. What it does by itself (run a handler, read
a reply) takes no step: it makes no difference to others before the next call does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.protocol.calls import JOBS, Asked, Attempt, Ended, Given, Terms
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


@dataclass(frozen=True)
class Bounds:
    """What is explored."""

    left: Left
    want: tuple[int, int] = (2, 1)  # how many jobs each worker claims at once
    together: bool = False  # the producer submits both jobs in one call
    inside: tuple[str, ...] = ()  # scripts by which handlers report themselves, before they return
    late_heartbeats: bool = False  # heartbeats may be held back, too
    supervised: bool = False  # somebody sees a worker die, and says so, now, later or never
    same_name: bool = False  # a worker that died comes back under its name
    operator: tuple[str, ...] = ()  # scripts that an operator calls on the first job, in order
    terms: Terms = field(default_factory=Terms)


class Worker(NamedTuple):
    name: str
    phase: str
    hands: tuple[Attempt, ...] = ()  # claimed; the first may be running
    kept: tuple[Ended, ...] = ()  # reported, without an answer


class State(NamedTuple):
    content: int  # what the server holds
    to_submit: tuple[Asked, ...]
    workers: tuple[Worker, ...]
    to_operate: tuple[Asked, ...]
    late: tuple[Asked, ...]  # calls that were given up by their sender, and may still arrive
    left: Left
    ended: frozenset[str] = frozenset()  # attempts and calls that have ended a job


class Move(NamedTuple):
    """A step that an actor may take. `then` makes the next state of the new content and the reply."""

    actor: str
    asked: Asked | None
    note: str
    then: Callable[[int, Given], State]

    def __str__(self) -> str:
        return f"{self.actor}: {self.asked or ''}{self.note}"


WORKERS = ("w1", "w2")


def first_state(bounds: Bounds, content: int) -> State:
    """Both workers have said that they live."""
    jobs = [JOBS] if bounds.together else [(job_id,) for job_id in JOBS]
    script = "submit" if bounds.together else "submit_one"
    return State(
        content,
        tuple(Asked(script, what=ids) for ids in jobs),
        tuple(Worker(name, IDLE) for name in WORKERS),
        tuple(_operation(s, n) for n, s in enumerate(bounds.operator)),
        (),
        bounds.left,
    )


def _operation(script: str, number: int) -> Asked:
    op = f"op:{number}"
    return Asked(script, what=(JOBS[0], "", op) if script in ("complete", "fail") else (JOBS[0], op))


def moves(state: State, view: View, bounds: Bounds) -> Iterator[Move]:
    yield from _producer(state)
    yield from _operator(state, view, bounds)
    yield Move("tender", Asked("tend"), "", lambda content, _: state._replace(content=content))
    for at in range(len(state.workers)):
        yield from _worker(state, at, view, bounds)
    yield from _network(state, view)
    if state.left.times:
        left = state.left._replace(times=state.left.times - 1)
        yield Move(
            "time",
            None,
            f"{bounds.terms.step_ms} ms pass",
            lambda content, _: state._replace(content=content, left=left),
        )


def _unanswered(state: State, asked: Asked) -> State:
    """The call is on its way and its sender has given it up: it arrives now, later or never."""
    left = state.left._replace(losses=state.left.losses - 1)
    return state._replace(late=(*state.late, asked), left=left)


def _network(state: State, view: View) -> Iterator[Move]:
    for at, asked in enumerate(state.late):
        if asked.script == "move" and asked.worker not in view.inboxes:
            continue
        late = state.late[:at] + state.late[at + 1 :]
        yield Move(
            asked.worker or "client",
            asked,
            " arrives without a reply",
            lambda content, _, late=late: state._replace(content=content, late=late),
        )


def _producer(state: State) -> Iterator[Move]:
    if not state.to_submit:
        return
    asked, rest = state.to_submit[0], state.to_submit[1:]
    yield Move("producer", asked, "", lambda c, _: state._replace(content=c, to_submit=rest))
    if state.left.losses:  # then it sends the call again
        yield Move("producer", None, f"{asked} is held back", lambda c, _: _unanswered(state, asked))


def _operator(state: State, view: View, bounds: Bounds) -> Iterator[Move]:
    if not state.to_operate or JOBS[0] not in view.jobs:
        return
    asked, rest = state.to_operate[0], state.to_operate[1:]
    # Calls from outside carry no token: of those, one that was given up doesn't outlive the next.
    late = tuple(c for c in state.late if c == asked or c.worker or c.script not in bounds.operator)
    now = state._replace(late=late)
    yield Move("operator", asked, "", lambda c, _: now._replace(content=c, to_operate=rest))
    if state.left.losses:
        yield Move("operator", None, f"{asked} is held back", lambda c, _: _unanswered(now, asked))


# --- workers ------------------------------------------------------------------------------------------


def _worker(state: State, at: int, view: View, bounds: Bounds) -> Iterator[Move]:
    worker = state.workers[at]
    if worker.phase == GONE:
        return

    def become(new: Worker, of: State = state) -> State:
        return of._replace(workers=(*of.workers[:at], new, *of.workers[at + 1 :]))

    for asked, left in _calls(worker, state.left, bounds.want[at], bounds.inside, view):
        yield Move(
            worker.name,
            asked,
            "",
            lambda content, given, asked=asked, left=left: become(
                answered(worker, asked, given), state._replace(content=content, left=left)
            ),
        )
        if left.losses and (bounds.late_heartbeats or asked.script != "heartbeat"):
            yield Move(
                worker.name,
                None,
                f"{asked} is held back",
                lambda content, _, asked=asked, left=left: become(
                    unanswered(worker, asked), _unanswered(state._replace(left=left), asked)
                ),
            )
    yield from _alone(state, worker, bounds, become)


def _alone(
    state: State, worker: Worker, bounds: Bounds, become: Callable[[Worker, State], State]
) -> Iterator[Move]:
    """What a worker does, or what happens to it, without a call."""
    left = state.left
    if worker.phase == PARKED:
        yield Move(worker.name, None, "nothing came", lambda c, _: become(worker._replace(phase=IDLE), state))
    if left.stops and worker.phase in (IDLE, PARKED) and not worker.kept:
        stopped = state._replace(left=left._replace(stops=left.stops - 1))
        yield Move(worker.name, None, "stops", lambda c, _: become(worker._replace(phase=LEAVING), stopped))
    if left.crashes and worker.phase != NEW:
        said = (Asked("lose", worker.name),) if bounds.supervised else ()
        crashed = state._replace(left=left._replace(crashes=left.crashes - 1), late=(*state.late, *said))
        heir = Worker(worker.name if bounds.same_name else worker.name + "'", NEW)
        yield Move(worker.name, None, "dies", lambda c, _: become(heir, crashed))


def _calls(
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
        for ending in ("failed", "failed, later again"):
            yield _turn(worker, 1, want, ending), fewer
    for script in inside:
        yield Asked(script, worker.name, (*hands[0], hands[0][1])), left


def _turn(worker: Worker, count: int, want: int, ending: str = "completed") -> Asked:
    ended = tuple((job_id, token, ending) for job_id, token in worker.hands[:count])
    return Asked("turn", worker.name, (worker.kept + ended, want))


def answered(worker: Worker, asked: Asked, given: Given) -> Worker:
    """The worker after a call's reply."""
    script = asked.script
    if script == "heartbeat":
        return worker._replace(phase=IDLE) if worker.phase == NEW else worker
    if script == "move":
        return worker._replace(phase=WOKEN)
    if script == "leave":
        return Worker(worker.name, GONE)
    if script in ("complete", "fail", "progress"):
        return worker  # the handler returns later, and its outcome is reported as every other
    if script == "release":
        return worker._replace(hands=worker.hands[:1])
    if script == "park" and not given.jobs:
        return worker._replace(phase=PARKED if given.wait else IDLE)
    return worker._replace(phase=IDLE, hands=_unreported(worker, asked) + given.jobs, kept=())


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
