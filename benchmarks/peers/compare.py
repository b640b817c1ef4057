"""All peers in one run: rounds in turn, each beside the LPUSH loop of its own minute."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .. import machine, runner
from ..bench import Bench
from ..figures import median, percentile
from ..runner import say
from ..server import running_server
from . import PEERS, results
from .homes import Home, NotInstalled
from .measure import PeerFailed, Rate, Round, idle_waits, survives_kill, throughput
from .peer import Peer

_KILL_LEASE = 5  # seconds, where the peer lets us set it
_KILL_TIMEOUT = 60.0


@dataclass
class Seen:
    """What was measured of one peer."""

    peer: Peer
    version: str = ""
    failure: str = ""
    rounds: list[Round] = field(default_factory=list)
    kill: str = ""

    def _rates(self, name: str) -> list[Rate]:
        return [rate for seen in self.rounds for rate in getattr(seen, name)]

    def rate(self, name: str) -> float:
        return median([rate.jobs for rate in self._rates(name)])

    def ratio(self, name: str) -> float:
        return median([rate.ratio for rate in self._rates(name)])

    def pending_bytes(self) -> float:
        return median([seen.pending_bytes for seen in self.rounds])

    def wait(self, percent: float) -> float:
        return median([percentile(seen.waits, percent) for seen in self.rounds])


def _chosen(names: Sequence[str] | None) -> list[Peer]:
    """By full name or by its beginning: `bullmq` is both of BullMQ's."""
    if not names:
        return list(PEERS.values())
    chosen = [peer for peer in PEERS.values() if any(peer.name.startswith(name) for name in names)]
    unknown = [name for name in names if not any(peer.startswith(name) for peer in PEERS)]
    if unknown:
        raise SystemExit(f"benchmarks: no peer {', '.join(unknown)}; there are: {', '.join(PEERS)}")
    return chosen


def _install(peers: Sequence[Peer], out: Path) -> tuple[list[Seen], dict[str, Home]]:
    table, homes = [], {}
    with machine.on_every_core():
        for peer in peers:
            seen = Seen(peer, results.version_of(peer))
            try:
                say(f"{peer.name}: {' '.join(peer.requirements) or 'this environment'}")
                homes[peer.name] = Home(peer, out)
            except NotInstalled as error:
                seen.failure = f"not installed: {error}"
                say(f"  {seen.failure}")
            table.append(seen)
    return table, homes


def _one_round(bench: Bench, seen: Seen, home: Home, log: Path) -> None:
    bench.ping()
    seen.rounds.append(throughput(bench, home, log))
    seen.rounds[-1].waits = idle_waits(bench, home, log)
    this = Seen(seen.peer, rounds=seen.rounds[-1:])
    bulk = f"{this.rate('bulk'):,.0f}" if seen.peer.bulk else "none"
    say(
        f"  {seen.peer.name:<18} enqueue {this.rate('enqueue'):>6,.0f}/s ({this.ratio('enqueue'):.2f}x)  "
        f"bulk {bulk:>6}/s  drain {this.rate('drain'):>6,.0f}/s ({this.ratio('drain'):.2f}x)  "
        f"idle p50 {this.wait(50):7.2f} ms, p99 {this.wait(99):7.2f} ms"
    )


def _measure(bench: Bench, table: Sequence[Seen], homes: dict[str, Home], logs: Path) -> None:
    rounds = bench.size(3, 7)
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for seen in table:
            if seen.failure:
                continue
            try:
                _one_round(bench, seen, homes[seen.peer.name], logs / f"{_file_name(seen.peer)}.log")
            except (PeerFailed, OSError, subprocess.SubprocessError) as error:
                seen.failure = f"failed in round {number + 1}: {error}"
                say(f"  {seen.peer.name}: {seen.failure}")


def _kill(bench: Bench, table: Sequence[Seen], homes: dict[str, Home], logs: Path) -> None:
    say(f"kill -9 in mid-job, with leases of {_KILL_LEASE} s where they can be set")
    for seen in table:
        if seen.failure:
            continue
        log = logs / f"{_file_name(seen.peer)}.log"
        try:
            seen.kill = survives_kill(bench, homes[seen.peer.name], log, _KILL_LEASE, _KILL_TIMEOUT)
        except (PeerFailed, OSError) as error:
            seen.kill = f"not tested: {error}"
        say(f"  {seen.peer.name:<18} {seen.kill}")


def _file_name(peer: Peer) -> str:
    return "".join(c if c.isalnum() else "-" for c in peer.name.lower()).strip("-")


def compare(options: argparse.Namespace, command: str) -> int:
    peers = _chosen(options.only)
    out: Path = options.out
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for log in logs.glob("*.log"):
        log.unlink()
    with running_server(options.url, options.server) as server:
        table, homes = _install(peers, out)
        bench = Bench(server, full=options.full)
        try:
            _measure(bench, table, homes, logs)
            if options.kill:
                _kill(bench, table, homes, logs)
            about = runner.about(bench, server, command)
        finally:
            bench.close()
    text = results.markdown(table, about)
    file = options.results or (out / "peers.md" if options.only else results.FILE)
    file.write_text(text, "utf-8")
    data = {**about, "peers": [asdict(seen) for seen in table]}
    (out / "peers.json").write_text(json.dumps(data, indent=2) + "\n", "utf-8")
    print(text)
    say(f"written to {file}")
    return 0
