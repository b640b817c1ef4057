"""The list of scenarios, in the order in which they are declared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..bench import Bench
from ..figures import Result

Run = Callable[[Bench], Result]


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    text: str
    run: Run


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, text: str) -> Callable[[Run], Run]:
    def declare(run: Run) -> Run:
        SCENARIOS[name] = Scenario(name, text, run)
        return run

    return declare
