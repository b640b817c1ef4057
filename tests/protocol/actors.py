"""Who acts, and what each may do next: the producer, the workers, the tender, an operator, time, and the
network, which may hold a call back until its sender has given it up.

What an actor does by itself (run a handler, read a reply) takes no step: it makes no difference to others
before its next call does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.protocol import crews, workers
from tests.protocol.calls import JOBS, Asked, Given, Terms
from tests.protocol.contents import View
from tests.protocol.workers import GONE, IDLE, LEAVING, NEW, PARKED, Left, Worker


@dataclass(frozen=True)
class Bounds:
    """What is explored."""

    left: Left
    want: tuple[int, int] = (2, 1)  # how many jobs each worker claims at once
    slots: tuple[int, int] = (1, 1)  # how many it runs at once; when several, it claims for those
    together: bool = False  # the producer submits both jobs in one call
    inside: tuple[str, ...] = ()  # scripts by which handlers report themselves, before they return
    late_heartbeats: bool = False  # heartbeats may be held back, too
    supervised: bool = False  # somebody sees a worker die, and says so, now, later or never
    same_name: bool = False  # a worker that died comes back under its name
    operator: tuple[str, ...] = ()  # scripts that an operator calls on the first job, in order
    terms: Terms = field(default_factory=Terms)


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
        tuple(Worker(name, IDLE, slots=slots) for name, slots in zip(WORKERS, bounds.slots)),
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

    several = worker.slots > 1
    answered, unanswered = (
        (crews if several else workers).answered,
        (crews if several else workers).unanswered,
    )
    if several:
        calls = crews.calls(worker, state.left, view)
    else:
        calls = workers.calls(worker, state.left, bounds.want[at], bounds.inside, view)
    for asked, left in calls:
        yield Move(
            worker.name,
            asked,
            "",
            lambda content, given, asked=asked, left=left: become(
                answered(worker, asked, given, view), state._replace(content=content, left=left)
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
        heir = Worker(worker.name if bounds.same_name else worker.name + "'", NEW, slots=worker.slots)
        yield Move(worker.name, None, "dies", lambda c, _: become(heir, crashed))
