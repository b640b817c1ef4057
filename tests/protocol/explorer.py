"""Every interleaving of the actors' steps within the bounds, breadth first: each state once, so the
first violation found is one that takes the fewest steps."""

from __future__ import annotations

from dataclasses import dataclass

from tests.protocol import checks
from tests.protocol.actors import WORKERS, Bounds, Move, State, first_state, moves
from tests.protocol.calls import Asked, Given
from tests.protocol.world import World


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

    def __str__(self) -> str:
        return (
            f"{self.states} states, {self.moves} steps, up to {self.depth} deep; of the server alone "
            f"{self.contents} states, {self.calls} script calls"
        )


_Parents = dict[State, tuple[State, Move] | None]


def explore(world: World, bounds: Bounds, most: int = 10**9) -> Explored:
    """Raises Violation; stops as if that were all when there are `most` states."""
    start = first_state(bounds, _registered(world))
    parents: _Parents = {start: None}
    frontier, depth, count = [start], 0, 0
    while frontier and len(parents) < most:
        planned = [(s, m) for s in frontier for m in moves(s, world.views[s.content], bounds)]
        world.ask((s.content, m.asked) for s, m in planned if m.asked)
        reached = [(s, m, *_result(world, s, m)) for s, m in planned]
        world.check_new_states()
        frontier = []
        for state, move, after, problem in reached:
            if problem := problem or world.problems.get(after.content):
                raise Violation(problem, _history(parents, state, move))
            if after not in parents:
                parents[after] = (state, move)
                frontier.append(after)
        count += len(planned)
        depth += 1
    return Explored(len(parents), count, world.states, world.steps, depth - 1)


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
    ended = {token for (_, token), word in zip(reports, answer.given.words) if word in checks.ENDS}
    return (after._replace(ended=state.ended | ended) if ended else after), problem


def _history(parents: _Parents, state: State, move: Move) -> list[str]:
    steps = [str(move)]
    while found := parents[state]:
        state, move = found
        steps.append(str(move))
    return steps[::-1]
