"""Workers that are replaced for what they have done, and for what has changed."""

from __future__ import annotations

import re

from faciliter_jobs import JobStatus
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
    assert len(re.findall("Traceback", running.log)) == 1
