"""The comparison with other queues runs: our own peer through it, with fewer jobs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.peers import PEERS, measure
from benchmarks.peers.compare import Seen
from benchmarks.peers.measure import Rate, Round
from tests.support.server import ServerProcess


def test_a_peer_is_measured_beside_the_lpush_loop(
    own_server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, fewer in {"_WARM_UP": 20, "_ENQUEUED": 25, "_BULK": 50, "_SPACED": 10}.items():
        monkeypatch.setattr(measure, name, fewer)
    ours = replace(PEERS["faciliter-jobs"], drain=500, every=50)
    monkeypatch.setitem(PEERS, "faciliter-jobs", ours)

    url = f"unix://{own_server.socket}"
    code = main(["peers", "--only", "faciliter-jobs", "--url", url, "--out", str(tmp_path)])

    assert code == 0
    (seen,) = json.loads((tmp_path / "peers.json").read_text("utf-8"))["peers"]
    assert seen["failure"] == ""
    assert len(seen["rounds"]) == 3
    for name, parts in {"enqueue": 4, "bulk": 4, "drain": 1}.items():
        rates = [rate for one in seen["rounds"] for rate in one[name]]
        assert len(rates) == 3 * parts
        assert all(rate["jobs"] > 0 and rate["ratio"] > 0 for rate in rates)
    assert all(len(one["waits"]) == 10 and min(one["waits"]) > 0 for one in seen["rounds"])
    assert "| faciliter-jobs 0.1.0 " in (tmp_path / "peers.md").read_text("utf-8")


def test_one_bad_round_moves_no_figure() -> None:
    def of(ratio: float, wait: float) -> Round:
        rates = [Rate(1000 * ratio, ratio)] * 4
        return Round(rates, rates, rates[:1], 500, [1.0] * 100 + [wait] * 5)

    seen = Seen(PEERS["faciliter-jobs"], rounds=[of(0.9, 2.0), of(0.2, 90.0), of(0.9, 2.0)])

    assert seen.ratio("enqueue") == seen.ratio("drain") == 0.9
    assert seen.rate("bulk") == 900
    assert (seen.wait(50), seen.wait(99)) == (1.0, 2.0)
