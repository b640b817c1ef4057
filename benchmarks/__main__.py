"""`python -m benchmarks`: a short run of every scenario. See README.md beside this file."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from . import guard, plots, report, runner
from .bench import Bench
from .scenarios import SCENARIOS
from .server import NoServer, running_server

HERE = Path(__file__).resolve().parent


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    size = common.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="small sizes, minutes (default)")
    size.add_argument("--full", action="store_true", help="large sizes (1 M jobs), up to half an hour")
    common.add_argument("--url", help="a server of yours, with an EMPTY database, which is emptied often")
    common.add_argument(
        "--server", choices=("auto", "container", "path", "embedded"), default="auto",
        help="what to start without --url (default: the first that there is, in this order)",
    )  # fmt: skip
    common.add_argument("--out", type=Path, default=HERE / "out", help="for JSON, Markdown and PNG")

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", parents=[common], help="run scenarios (the default)")
    run.add_argument(
        "--scenario", nargs="+", metavar="NAME", choices=tuple(SCENARIOS), default=list(SCENARIOS)
    )
    peers = commands.add_parser("peers", parents=[common], help="other queues side by side, in one run")
    peers.add_argument("--only", nargs="+", metavar="NAME", help="these peers (see `list`)")
    peers.add_argument("--kill", action="store_true", help="also kill -9 each worker in mid-job (minutes)")
    peers.add_argument("--results", type=Path, help="the table (default: RESULTS.md; with --only in OUT)")
    check = commands.add_parser("check", parents=[common], help="compare with the recorded ratios")
    check.add_argument(
        "--record", nargs="?", choices=("all", "counts"), const="all",
        help="measure three times and record the medians; counts: only commands and bytes a job, the "
        "same on every machine",
    )  # fmt: skip
    check.add_argument("--tolerance", type=float, default=0.25, help="for ratios, a share (default 0.25)")
    check.add_argument("--recorded", type=Path, default=guard.RECORDED, help="default: recorded.json")
    commands.add_parser("list", help="the scenarios and the peers")
    return parser


def _list() -> int:
    from .peers import PEERS

    for scenario in SCENARIOS.values():
        print(f"{scenario.name:<12} {scenario.text}")
    print()
    for peer in PEERS.values():
        print(f"{peer.name:<20} {' '.join(peer.requirements) or 'this environment'}")
    return 0


def _run(options: argparse.Namespace, command: str) -> int:
    with running_server(options.url, options.server) as server:
        bench = Bench(server, full=options.full)
        try:
            results = runner.run_scenarios(bench, options.scenario)
            about = runner.about(bench, server, command)
        finally:
            bench.close()
    print(report.write(results, about, options.out))
    drawn = plots.draw(results, options.out)
    if not drawn and any(result.curves for result in results):
        runner.say(plots.MISSING)
    return 1 if any(result.error for result in results) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "run")
    options = _parser().parse_args(given)
    command = " ".join(["python -m benchmarks", *given])
    try:
        if options.command == "list":
            return _list()
        if options.command == "run":
            return _run(options, command)
        if options.command == "check":
            return guard.check(options)
        from .peers.compare import compare

        return compare(options, command)
    except NoServer as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    # So that servers and workers that were started are stopped then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
