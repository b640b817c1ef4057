"""Everything at once, for a while: `make chaos` runs it for longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS, schedule
from tests.chaos.produce import TASKS

_SECONDS = 12
_SEED = int(os.environ.get("CHAOS_SEED", "4"))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_mix_of_all_faults_loses_nothing_leaves_nothing_stuck_and_commits_nothing_twice(tmp_path):
    """Producers and workers as processes, a server of their own; the seed is printed when it fails."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.chaos", f"--seconds={_SECONDS}", f"--seed={_SEED}"]
    command += ["--backlog=2000", f"--json={figures}", f"--keep={tmp_path / 'histories'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(figures.read_text())
    assert (told["lost"], told["stuck"], told["double_commits"], told["other"]) == (0, 0, 0, 0)
    assert told["jobs"] > 500 and sum(told["faults"].values()) > 10
    (asyncio_code,) = (tmp_path / "histories").rglob("p0-1.jsonl")
    (ordinary,) = (tmp_path / "histories").rglob("p1-1.jsonl")
    assert [f'"p0-1-{task}-1"' in asyncio_code.read_text() for task in range(TASKS)] == [True] * TASKS
    assert '"p1-1-1"' in ordinary.read_text()


def test_the_plan_of_faults_is_a_function_of_the_seed():
    kinds = list(FAULTS)
    plans = [list(schedule(seed, kinds, 120, 0.5)) for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]
    assert {planned.kind for planned in plans[0]} == set(kinds)


def test_an_unknown_kind_of_fault_is_named():
    command = [sys.executable, "-m", "tests.chaos", "--faults=kill_worker,gremlins"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 1 and "gremlins" in done.stderr
