"""Workers that are replaced for what they have done, and for what has changed."""

from __future__ import annotations

import re
import signal

import pytest

from faciliter_jobs import JobStatus
from faciliter_jobs.supervisor.fleet import Fleet
from faciliter_jobs.supervisor.process import Spawner
from faciliter_jobs.supervisor.settings import Settings
from tests.supervisor.running import ROOT
from tests.support.wait import until


def _all_completed(queue, count, timeout=30):
    until(lambda: queue.stats().counts[JobStatus.COMPLETED] == count, timeout)


def test_a_worker_is_replaced_after_so_many_jobs_once_its_successor_serves(queue, run):
    running = run("--processes", "2", "--max-jobs-per-child", "20").ready()
    before = set(running.pids())
    submitted = 0

    def all_are_replaced():
        # Again and again: which of the two takes a batch is theirs to settle, and both must get their 20.
        nonlocal submitted
        queue.submit_jobs([{"job_type": "count", "input_data": {"n": submitted + n}} for n in range(40)])
        submitted += 40
        _all_completed(queue, submitted)
        return len(running.pids()) == 2 and not set(running.pids()) & before

    until(all_are_replaced, 60)
    running.said(r"worker 1 .*has run [\d,]+ jobs: .*successor")
    assert running.stop() == 0
    runs = queue.transport.command("HVALS", queue.tag + "test-runs")
    assert set(runs) == {b"1"} and queue.doctor() == []


def test_a_worker_that_has_grown_is_replaced(queue, run):
    running = run("--processes", "1", "--max-memory-per-child", "150MB").ready()
    (before,) = running.pids()
    queue.submit_job("grow", {"mb": 200})
    running.said(r"worker 1 .*has grown to \d+ MB")
    until(lambda: running.pids() and running.pids() != [before])
    _all_completed(queue, 1)
    until(lambda: [worker["state"] for worker in running.health()["workers"]] == ["ready"])
    assert running.health()["workers"][0]["resident_bytes"] < 150 << 20


def test_a_job_that_makes_its_worker_too_large_may_end_in_its_time(queue, run):
    """Given back, and begun anew in each successor, it would never end, and nothing would count it."""
    running = run("--processes", "1", "--max-memory-per-child", "150MB", "--shutdown-timeout", "0.2").ready()
    job_id = queue.submit_job("grow", {"mb": 200, "seconds": 4}, max_retries=0)
    running.said(r"worker 1 .*has grown to \d+ MB")
    other = queue.submit_job("count", {"n": 1})
    until(lambda: queue.get_job(other).status is JobStatus.COMPLETED)
    assert queue.get_job(job_id).status is JobStatus.PROCESSING
    until(lambda: queue.get_job(job_id).status.is_terminal, 20)
    job = queue.get_job(job_id)
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 1)
    until(lambda: len(running.health()["workers"]) == 1)


def test_a_worker_that_ends_in_its_time_is_not_waited_for_at_the_end(queue, run):
    running = run("--processes", "1", "--max-memory-per-child", "150MB", "--shutdown-timeout", "0.2").ready()
    job_id = queue.submit_job("grow", {"mb": 200, "seconds": 600})
    running.said(r"worker 1 .*has grown to \d+ MB")
    until(lambda: len(running.health()["workers"]) == 2)
    assert running.stop() == 0
    assert queue.get_job(job_id).status is JobStatus.PENDING
    assert queue.doctor() == []


_APP = """
from faciliter_jobs import JobWorker

def worker():
    made = JobWorker(poll_interval=0.1)
    made.register_function_handler("version", lambda job: {VERSION})
    return made
"""


def test_reload_runs_changed_code_and_a_syntax_error_does_not_end_it(queue, run, tmp_path):
    module = tmp_path / "app_of_test.py"

    def version_becomes(number):
        def look():
            job_id = queue.submit_job("version")
            until(lambda: queue.get_job(job_id).status.is_terminal)
            return queue.get_job_result(job_id) == number

        until(look, 30)

    module.write_text(_APP.format(VERSION=1))
    running = run("--reload", target="app_of_test:worker", cwd=tmp_path, PYTHONPATH=str(ROOT)).ready()
    version_becomes(1)
    module.write_text(_APP.format(VERSION=2))
    running.said("app_of_test.py changed: starting anew")
    version_becomes(2)
    module.write_text("def worker(:\n")
    running.said(r"SyntaxError.*; it is tried again after the next change")
    assert running.get("/livez")[0] == 200
    module.write_text(_APP.format(VERSION=3))
    version_becomes(3)
    assert running.stop() == 0
    assert len(re.findall('File ".*app_of_test.py", line 1', running.log)) == 1


# --- a roll-out whose successors die ----------------------------------------------------------------

_ROLLED = """
import os, signal
from pathlib import Path
from tests.supervisor.app import worker as make

def kill(job):
    if job.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)

def worker():
    made = make()
    made.register_function_handler("kill", kill)
    made.on_startup(look)
    return made

def look():
    deaths = Path("deaths")
    left = int(deaths.read_text()) if deaths.exists() else 0
    if left:
        deaths.write_text(str(left - 1))
        os._exit(9)
"""


@pytest.fixture
def rolling(queue, run, tmp_path):
    """Two workers that serve jobs; the next that start die, as many as the file `deaths` says."""
    (tmp_path / "app_of_test.py").write_text(_ROLLED)
    options = {"target": "app_of_test:worker", "cwd": tmp_path, "PYTHONPATH": str(ROOT)}
    return run("--processes", "2", **options).ready()


def _rolled_out(running, before):
    def look():
        return len(running.pids()) == 2 and not set(running.pids()) & set(before)

    until(look, 30)
    assert (running.health()["roll_out"], running.health()["old_code"]) == ("", 0)


def test_a_roll_out_goes_on_when_a_successor_dies(rolling, tmp_path):
    before = rolling.pids()
    (tmp_path / "deaths").write_text("2")
    rolling.send(signal.SIGHUP)
    _rolled_out(rolling, before)
    said = r"ended with exit code 9 before it was ready.*; another is tried in \d\.\d s, the old one goes on"
    assert len(re.findall(said, rolling.log)) == 2
    assert "given up" not in rolling.log and "ERROR" not in rolling.log


def test_a_roll_out_is_given_up_after_three_successors_of_a_worker_have_died(rolling, tmp_path):
    before = rolling.pids()
    (tmp_path / "deaths").write_text("3")
    rolling.send(signal.SIGHUP)
    rolling.said(r"ERROR roll-out given up: 2 workers run the old code")
    assert rolling.pids() == before and rolling.get("/readyz")[0] == 200
    assert (rolling.health()["roll_out"], rolling.health()["old_code"]) == ("given up", 2)
    rolling.send(signal.SIGHUP)
    _rolled_out(rolling, before)


def test_a_job_that_kills_a_successor_does_not_end_the_roll_out(queue, rolling):
    before = rolling.pids()
    long = [queue.submit_job("sleep", {"seconds": 3}) for _ in before]
    until(lambda: all(queue.get_job(job_id).progress_message for job_id in long))
    poison = queue.submit_job("kill")
    rolling.send(signal.SIGHUP)
    rolling.said("was killed by SIGKILL")
    _rolled_out(rolling, before)
    until(lambda: queue.get_job(poison).status is JobStatus.COMPLETED, 30)
    _all_completed(queue, 3)
    assert queue.doctor() == []


def test_a_successor_of_before_the_second_sighup_does_not_take_over(rolling):
    before = rolling.pids()
    rolling.send(signal.SIGHUP)
    rolling.said("its successor starts")
    started = {worker["pid"] for worker in rolling.health()["workers"]} | set(before)
    rolling.send(signal.SIGHUP)
    _rolled_out(rolling, started)


def test_a_successor_that_the_system_can_not_start_leaves_the_old_one_in_charge(monkeypatch):
    """Out of processes, say: it is tried again after a while."""
    settings = Settings("no:target")
    spawner = Spawner(settings)
    fleet = Fleet(settings, spawner)
    fleet.start()
    (slot,) = fleet.slots
    old, spawn = slot.child, spawner.spawn

    def refuse(number):
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(spawner, "spawn", refuse)
    fleet.roll("test")
    fleet.tick()
    fleet.tick()
    assert slot.child is old and slot.successor is None and slot.backoff.deaths == 1
    monkeypatch.setattr(spawner, "spawn", spawn)
    slot.start_at = 0.0
    fleet.tick()
    assert slot.child is old and slot.successor is not None
    fleet.stop()
    until(lambda: fleet.tick() or fleet.empty, 20)
    spawner.close()
    fleet.close()
