"""examples/service, as docs/deploy.md says."""

from __future__ import annotations

import os
import subprocess
import sys

from faciliter_jobs import JobStatus
from tests.supervisor.running import ROOT, environment


def test_its_tasks_that_wait_and_its_tasks_that_compute_are_run_by_two_processes(queue, run):
    options = ("--processes", "2", "--concurrency", "100", "--executor", "asyncio")
    running = run(*options, target="examples.service.jobs:jobs").ready()
    done = subprocess.run(
        [sys.executable, "-m", "examples.service.submit", "40"],
        cwd=ROOT,
        env=os.environ | environment(queue.config),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "44 of 44 done in" in done.stdout, done.stderr
    assert queue.stats().counts[JobStatus.COMPLETED] == 44
    fetched = [job for job in queue.list_jobs(limit=100) if job.job_type == "fetch"]
    assert {tuple(job.result) for job in fetched} == {("page 1", "page 2", "page 3")}
    assert len({job.worker for job in queue.list_jobs(limit=100)}) == 2
    assert running.stop() == 0
