"""The real scripts on a real server, explored: every interleaving of what two workers, a producer, an
operator, time and the network can do to two jobs, within bounds. docs/protocol.md says what is checked.

`make protocol` explores more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from faciliter_jobs import RedisJobQueue
from tests.protocol.explorations import QUICK, Exploration
from tests.protocol.explorer import Explored, Violation, explore
from tests.protocol.mutants import MUTANTS, Mutant
from tests.protocol.world import World


def _explore(queue: RedisJobQueue, exploration: Exploration) -> Explored:
    world = World(queue, exploration.bounds.terms)
    try:
        return explore(world, exploration.bounds)
    finally:
        world.close()


@pytest.mark.parametrize("exploration", QUICK, ids=lambda each: each.name)
def test_no_interleaving_breaks_the_protocol(queue: RedisJobQueue, exploration: Exploration) -> None:
    """LESSONS 1, 2, 4, 8, 10, 12, 13."""
    explored = _explore(queue, exploration)
    print(explored)
    assert explored.is_whole
    assert explored.words >= exploration.hears, "the exploration doesn't reach what it is for"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.fault)
def test_a_fault_in_the_scripts_is_found(queue: RedisJobQueue, mutant: Mutant, tmp_path: Path) -> None:
    world = World(queue, mutant.bounds.terms, mutant.make(tmp_path))
    try:
        with pytest.raises(Violation) as caught:
            explore(world, mutant.bounds, most=30_000)
    finally:
        world.close()
    assert mutant.found in caught.value.problem
    assert len(caught.value.history) <= 8, "a shorter counter-example was to be had"
