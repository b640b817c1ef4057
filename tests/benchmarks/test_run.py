"""The benchmarks' smallest scenario runs, and a scenario or peer that fails is reported as such."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import runner
from benchmarks.__main__ import main
from benchmarks.bench import Bench
from benchmarks.figures import Result
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.server import NoServer, Server, running_server
from tests.support.server import ServerProcess


@pytest.fixture
def url(own_server: ServerProcess) -> str:
    """Of a server whose databases may be emptied."""
    return f"unix://{own_server.socket}"


def test_a_run_writes_its_figures_beside_their_ceilings(url: str, tmp_path: Path) -> None:
    code = main(["run", "--scenario", "lifecycle", "--url", url, "--out", str(tmp_path)])

    assert code == 0
    written = json.loads((tmp_path / "results.json").read_text("utf-8"))
    (result,) = written["results"]
    figures = {figure["key"]: figure for figure in result["figures"]}
    assert figures["plain-submit-commands"]["value"] >= 5
    assert figures["plain-us"]["ratio"] > 0
    assert written["ceilings"]["LPUSH loop: bare redis-py, 100 bytes"][0] > 0
    assert "| lifecycle | submit: commands in its script" in (tmp_path / "results.md").read_text("utf-8")


def test_a_scenario_that_fails_is_reported_and_the_others_run(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(bench: Bench) -> Result:
        raise RuntimeError("out of luck")

    monkeypatch.setitem(SCENARIOS, "fails", Scenario("fails", "one that fails", fails))
    monkeypatch.setitem(
        SCENARIOS, "works", Scenario("works", "one that works", lambda _: Result("works", []))
    )

    failed, worked = runner.run_scenarios(Bench(Server(url, "a test's")), ["fails", "works"])

    assert failed.error == "RuntimeError: out of luck"
    assert worked.error == ""


def test_a_database_that_holds_something_is_refused_and_left_alone(
    url: str, own_server: ServerProcess
) -> None:
    own_server.client().set("somebody's", "data")

    with pytest.raises(NoServer, match="holds 1 keys"), running_server(url):
        pass

    assert own_server.client().get("somebody's") == b"data"
