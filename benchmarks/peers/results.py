"""RESULTS.md: what was measured of the peers, with what it takes to measure it again."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..report import ceilings_table, machine_table, number, table
from .peer import Peer

if TYPE_CHECKING:
    from .compare import Seen

FILE = Path(__file__).resolve().parents[1] / "RESULTS.md"

_METHOD = """\
Every peer gets the same server, the same core for its producer and its worker, the same job (100
bytes in, a handler that does nothing, a small result that is kept), and acknowledges after the handler
where it can. The peers take turns, round by round; "x" is the ratio to bare redis-py `LPUSH` loops just
before and just after; values and ratios are medians.

- enqueue: one by one, each accepted by the server before the next; 500 jobs between two LPUSH loops.
- bulk: the peer's own call for many, 1000 jobs between two LPUSH loops.
- drain: one worker process empties a backlog; measured after its first tenth.
- idle: from the enqueueing call to the handler's first line, 50 jobs a second to an idle worker; p50 and
  p99 of the 200 jobs of a round.
- bytes: the server's `used_memory` for a job that waits, with all that stands in Redis for it.
- survives `kill -9`: by the peer's documents, and tested where it says so (the worker killed in
  mid-job, another one started, the peer's time limits set to 5 s where they can be)."""


def version_of(peer: Peer) -> str:
    if peer.requirements:
        return peer.requirements[0].replace("@", "==").partition("==")[2]
    try:
        return importlib.metadata.version(peer.shows_version_of)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def _row(seen: Seen) -> tuple[str, ...]:
    name = f"{seen.peer.name} {seen.version}"
    if not seen.rounds or seen.failure:
        return (name, *["-"] * 6, seen.failure)
    bulk = f"{number(seen.rate('bulk'))} ({seen.ratio('bulk'):.1f}x)" if seen.peer.bulk else "none"
    return (
        name,
        f"{number(seen.rate('enqueue'))} ({seen.ratio('enqueue'):.2f}x)",
        bulk,
        f"{number(seen.rate('drain'))} ({seen.ratio('drain'):.2f}x)",
        number(seen.wait(50)),
        number(seen.wait(99)),
        f"{seen.pending_bytes():.0f}",
        seen.kill or seen.peer.survives.partition(":")[0] + " (documented)",
    )


def _verdicts(seen: Sequence[Seen]) -> list[str]:
    """Our figures to the best of the others'."""
    measured = [one for one in seen if one.rounds and not one.failure]
    ours = next((one for one in measured if one.peer.name == "faciliter-jobs"), None)
    others = [one for one in measured if one is not ours]
    if ours is None or not others:
        return []
    lines = []
    for title, among, aim in (
        ("BullMQ on Node", [one for one in others if not one.peer.adapter], 2.0),
        ("the fastest Python peer", [one for one in others if one.peer.adapter], 12.0),
    ):
        if among:
            best = max(among, key=lambda one: one.ratio("drain"))
            times = ours.ratio("drain") / best.ratio("drain")
            met = "met" if times >= aim else "NOT met"
            lines.append(f"- drain: {times:.1f}x {title} ({best.peer.name}); the aim is {aim:g}x: {met}")
    quickest = min(others, key=lambda one: one.wait(50))
    met = "met" if ours.wait(50) < quickest.wait(50) else "NOT met"
    lines.append(
        f"- idle p50: {ours.wait(50):.2f} ms, the best peer's ({quickest.peer.name}) "
        f"{quickest.wait(50):.2f} ms; the aim is below every peer's: {met}"
    )
    return lines


def markdown(seen: Sequence[Seen], about: Mapping[str, Any]) -> str:
    head = (
        "queue",
        "enqueue/s",
        "bulk/s",
        "drain/s, 1 worker",
        "idle p50 ms",
        "p99 ms",
        "bytes",
        "survives kill -9",
    )
    settings = [
        (
            one.peer.name,
            one.peer.settings,
            one.peer.survives,
            " ".join(one.peer.requirements) or "this checkout",
        )
        for one in seen
    ]
    parts = [
        f"# Peers side by side, {about['date']}",
        f"`{about['command']}`",
        machine_table(about["machine"]),
        _METHOD,
        table(head, [_row(one) for one in seen], "lrrrrrrl"),
        "\n".join(_verdicts(seen)),
        "## Ceilings of the same run",
        ceilings_table(about["ceilings"]),
        "## Settings",
        table(("queue", "settings", "after kill -9, by its documents", "installed"), settings),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
