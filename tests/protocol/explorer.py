"""Every interleaving of the actors' steps within the bounds, breadth first: each state once, so the
first violation found is one that takes the fewest steps."""

from __future__ import annotations

from dataclasses import dataclass

from tests.protocol import checks
from tests.protocol.actors import WORKERS, Bounds, Move, State, first_state, moves
from tests.protocol.calls import Asked, Given
from tests.protocol.world import World

_AT_ONCE = 10_000  # states


class Violation(AssertionError):
    def __init__(self, problem: str, history: list[str]) -> None:
        steps = "\n".join(f"  {n}. {step}" for n, step in enumerate(history, 1))
        super().__init__(f"{problem}\nafter these steps:\n{steps}")
        self.problem = problem
        self.history = history


@dataclass(frozen=True)
class Explored:
    states: int  # of the server and the actors
    moves: int
    contents: int  # of the server alone
    calls: int  # different ones: a script, its arguments, and what the server held
    depth: int  # steps to the farthest state
    is_whole: bool  # every state within the bounds has been reached
    words: frozenset[str]  # that callers heard of the ends that they reported

    def __str__(self) -> str:
        return (
            f"{self.states:,} states, {self.moves:,} steps, {'' if self.is_whole else 'cut at '}"
            f"{self.depth} deep; of the server alone {self.contents:,} states, {self.calls:,} script calls"
        )


_Parents = dict[State, tuple[State, int] | None]  # where from, and by which of the moves there


def explore(world: World, bounds: Bounds, most: int = 10**9) -> Explored:
    """Raises Violation. Goes on to no greater depth when there are `most` states."""
    start = first_state(bounds, _registered(world))
    parents: _Parents = {start: None}
    frontier, depth, count = [start], 0, 0
    while frontier and len(parents) < most:
        reached: list[State] = []
        for first in range(0, len(frontier), _AT_ONCE):
            some = frontier[first : first + _AT_ONCE]
            count += _step(world, bounds, some, parents, reached)
        frontier = reached
        depth += 1
    return Explored(
        len(parents), count, world.states, world.steps, depth - 1, not frontier, frozenset(world.words())
    )


def _step(world: World, bounds: Bounds, some: list[State], parents: _Parents, reached: list[State]) -> int:
    """All moves from some states. Returns their number."""
    planned = [
        (state, at, move)
        for state in some
        for at, move in enumerate(moves(state, world.views[state.content], bounds))
    ]
    world.ask((state.content, move.asked) for state, _, move in planned if move.asked)
    results = [(state, at, *_result(world, state, move)) for state, at, move in planned]
    world.check_new_states()
    for state, at, after, problem in results:
        if problem := problem or world.problems.get(after.content):
            raise Violation(problem, _history(world, bounds, parents, state, at))
        if after not in parents:
            parents[after] = (state, at)
            reached.append(after)
    return len(planned)


def _registered(world: World) -> int:
    content = world.empty
    for name in WORKERS:
        asked = Asked("heartbeat", name, ((),))
        world.ask([(content, asked)])
        content = world.answer(content, asked).after
    return content


def _result(world: World, state: State, move: Move) -> tuple[State, str | None]:
    """The state that the move leads to, and what is wrong with the way there."""
    if move.asked is None:
        content = world.later(state.content) if move.actor == "time" else state.content
        return move.then(content, Given()), None
    answer = world.answer(state.content, move.asked)
    after = move.then(answer.after, answer.given)
    reports = checks.reports(move.asked)
    if not reports or answer.problem:
        return after, answer.problem
    problem = checks.of_the_words(move.asked, answer.given, world.views[state.content], state.ended)
    ended = {token for (_, token), word in zip(reports, answer.given.words) if checks.ends(move.asked, word)}
    return (after._replace(ended=state.ended | ended) if ended else after), problem


def _history(world: World, bounds: Bounds, parents: _Parents, state: State, at: int) -> list[str]:
    steps = []
    found: tuple[State, int] | None = (state, at)
    while found:
        state, at = found
        steps.append(str(list(moves(state, world.views[state.content], bounds))[at]))
        found = parents[state]
    return steps[::-1]
