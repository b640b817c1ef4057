"""Attacks a queue of its own with faults of every kind, and proves by the history that nothing was
lost, nothing is stuck, and nothing was committed twice.

    python -m tests.chaos --seconds 60 --seed 1 [--faults kill_worker,drop,...]

The plan of faults and what each producer asks for are functions of the seed. What the operating
system's scheduler makes of them isn't: two runs of one seed differ in which call a fault meets.
Exits with 1 when something is off, and keeps the histories.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from faciliter_jobs import embedded

from .faults import FAULTS
from .harness import Plan, Round, Verdict

_SHOWN = 10  # violations of a rule


def main() -> None:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that all is cleared away
    binary = Path(arguments.server) if arguments.server else embedded.find_binary()
    kinds = tuple(arguments.faults.split(",")) if arguments.faults else tuple(FAULTS)
    if unknown := set(kinds) - set(FAULTS):
        sys.exit(f"--faults: unknown: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    directory = Path(arguments.keep or tempfile.mkdtemp(prefix="fj-chaos-"))
    total = Verdict()
    rounds = max(1, round(arguments.seconds / arguments.round))
    print(
        f"chaos: {rounds} rounds of {arguments.seconds / rounds:g} s, seed {arguments.seed}, {binary}",
        flush=True,
    )
    for number in range(rounds):
        plan = Plan(
            arguments.seconds / rounds, arguments.seed * 1000 + number, kinds, binary,
            arguments.workers, arguments.producers, arguments.backlog, arguments.gap,
        )  # fmt: skip
        verdict = Round(plan, directory / f"round-{number}").run()
        total.add(verdict)
        print(_line(number, verdict), flush=True)
        if verdict.ok and not arguments.keep:
            shutil.rmtree(directory / f"round-{number}")
    _report(total, arguments, directory)
    sys.exit(not total.ok)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of attack, in all (default 60)")
    parser.add_argument(
        "--round", type=float, default=60, help="seconds of one round, on a server of its own"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--faults", help=f"some of {','.join(FAULTS)} (default all)")
    parser.add_argument("--gap", type=float, default=0.5, help="seconds between two faults, on average")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--producers", type=int, default=2)
    parser.add_argument("--backlog", type=int, default=4000, help="jobs that may wait")
    parser.add_argument("--server", help="path of a redis-server or valkey-server")
    parser.add_argument("--json", help="writes the figures into this file")
    parser.add_argument("--keep", help="keeps all histories in this directory")
    return parser.parse_args()


def _line(number: int, verdict: Verdict) -> str:
    faults = sum(verdict.faults.values())
    return (
        f"round {number}: {verdict.jobs:,} jobs, {faults} faults, {verdict.duplicates} duplicate runs, "
        f"{verdict.lost} lost, {verdict.stuck} stuck, {verdict.double_commits} double commits, "
        f"{verdict.other} other, {verdict.seconds:.0f} s"
    )


def _report(total: Verdict, arguments: argparse.Namespace, directory: Path) -> None:
    shown: Counter[str] = Counter()
    for violation in total.violations:
        rule = violation.partition(":")[0]
        shown[rule] += 1
        if shown[rule] <= _SHOWN:
            print(violation)
    if not total.ok:
        print(f"the histories are in {directory}: python -m tests.chaos.checker {directory}/round-N")
    for kind, why in total.skipped.items():
        print(f"left out: {kind}: {why}")
    rows: dict[str, Any] = {
        "seed": arguments.seed,
        "jobs": total.jobs,
        "faults": sum(total.faults.values()),
        **{f"  {kind}": count for kind, count in sorted(total.faults.items())},
        "handler runs": total.runs,
        "duplicate runs (allowed)": total.duplicates,
        "calls with unknown outcome": total.unknown,
        "stale commits refused": total.refused,
        "lost": total.lost,
        "stuck": total.stuck,
        "double commits": total.double_commits,
        "other violations": total.other,
    }
    for name, value in rows.items():
        print(f"{name:30} {value:>12,}")
    if arguments.json:
        data = {"command": " ".join(sys.argv[1:]), "seed": arguments.seed, **vars(total)}
        data["date"] = time.strftime("%Y-%m-%d %H:%M")
        Path(arguments.json).write_text(json.dumps(data, indent=2))


if __name__ == "__main__":
    main()
