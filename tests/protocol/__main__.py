"""python -m tests.protocol [--most STATES] [part of a name...]: the long explorations, and what they found.

With `quick` or `mutants` as the name: those of the test suite."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from faciliter_jobs import RedisJobQueue
from tests.protocol.calls import Terms
from tests.protocol.equivalents import EQUIVALENTS
from tests.protocol.explorations import LONG, QUICK, Exploration
from tests.protocol.explorer import Explored, Violation, explore
from tests.protocol.mutants import MUTANTS, Mutant
from tests.protocol.world import World
from tests.support.server import Server, find_server


@contextmanager
def _world(server: Server, terms: Terms, lua: Path | None = None) -> Iterator[World]:
    queue = RedisJobQueue(replace(server.config, prefix=f"protocol-{uuid.uuid4().hex[:8]}:"))
    queue.connect()
    world = World(queue, terms, lua, thorough=True)
    try:
        yield world
    finally:
        world.close()
        queue.close()


def _run(server: Server, exploration: Exploration, most: int) -> bool:
    begun = time.monotonic()
    try:
        with _world(server, exploration.bounds.terms) as world:
            explored = explore(world, exploration.bounds, most)
    except Violation as violation:
        print(f"{exploration.name}: VIOLATION\n{violation}", flush=True)
        return False
    missing = exploration.hears - explored.words
    print(f"{exploration.name}: {explored}, {time.monotonic() - begun:.0f} s", flush=True)
    if missing:
        print(f"  and nobody heard {', '.join(sorted(missing))}")
    _sum.append(explored)
    return not missing


_sum: list[Explored] = []


def _run_mutant(server: Server, mutant: Mutant, most: int) -> Violation | None:
    with (
        tempfile.TemporaryDirectory() as folder,
        _world(server, mutant.bounds.terms, mutant.make(Path(folder))) as world,
    ):
        try:
            explore(world, mutant.bounds, most)
        except Violation as violation:
            return violation
    return None


def _mutants(server: Server, most: int) -> bool:
    fine = True
    for mutant in MUTANTS:
        violation = _run_mutant(server, mutant, most)
        fine = fine and violation is not None
        steps = f"{len(violation.history)} steps: {violation.problem}" if violation else "NOT FOUND"
        print(f"{mutant.fault}: {steps}", flush=True)
    for mutant, why in EQUIVALENTS:
        violation = _run_mutant(server, mutant, most)
        fine = fine and violation is None
        print(
            f"{mutant.fault}: {f'FOUND, {violation}' if violation else f'changes nothing: {why}'}", flush=True
        )
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--most", type=int, default=10**9, help="states to stop at")
    arguments = parser.parse_args()
    server = find_server()
    try:
        if "mutants" in arguments.names:
            return 0 if _mutants(server, arguments.most) else 1
        chosen = QUICK if "quick" in arguments.names else LONG
        names = [name for name in arguments.names if name != "quick"]
        chosen = [each for each in chosen if not names or any(name in each.name for name in names)]
        fine = [_run(server, each, arguments.most) for each in chosen]
    finally:
        server.stop()
    print(
        f"in all {sum(e.states for e in _sum):,} states, {sum(e.moves for e in _sum):,} steps, "
        f"{sum(e.calls for e in _sum):,} script calls"
    )
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
