"""What the harness knows of a peer. Standard library alone: this is imported in the peers' environments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    adapter: str  # module in `adapters`, with a class Adapter; '' for Node
    requirements: tuple[str, ...]  # pinned; empty: this environment
    settings: str  # what was chosen, beside defaults
    survives: str  # by its documents: what becomes of a job whose worker is killed with -9
    bulk: bool  # whether it has a call for many jobs
    drain: int  # so many jobs take about a second
    shows_version_of: str = ""  # package; '' = the first requirement
    every: int = 100  # how many runs one note in the tally stands for
    options: str = ""  # for the adapter
