"""kill -9, many times over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from faciliter_jobs import JobStatus, JobWorker
from tests.support.processes import Handlers, config_arguments, start_worker
from tests.support.wait import until

_TRIALS = int(os.environ.get("FJ_KILL_TRIALS", "200"))
_AT_ONCE = 20


def _fork_victim(queue) -> int:
    """A worker in a forked process: its first attempt at a job never ends."""
    pid = os.fork()
    if pid:
        return pid
    try:
        worker = JobWorker(queue, poll_interval=0.1, lease=1)
        worker.register_function_handler("first_run_hangs", Handlers(queue).first_run_hangs)
        worker.start()
    finally:
        os._exit(0)


@pytest.mark.timeout(300)
def test_a_worker_killed_in_mid_job_loses_nothing_in_200_trials(queue, run_worker):
    """Each trial kills one worker process inside its handler; a living worker finishes the job
    after the lease. None is lost, and none is completed twice."""
    ids = []
    while len(ids) < _TRIALS:
        batch = [queue.submit_job("first_run_hangs") for _ in range(min(_AT_ONCE, _TRIALS - len(ids)))]
        victims = [_fork_victim(queue) for _ in batch]

        def all_hang(batch=batch):
            """Or are done: on a busy machine a victim may lose its lease to another one by itself."""
            jobs = [queue.get_job(i) for i in batch]
            return all(j.status.is_terminal or (j.progress_message or "").startswith("pid") for j in jobs)

        try:
            until(all_hang, timeout=60)
        finally:
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        ids.extend(batch)

    handlers = Handlers(queue)
    for _ in range(2):
        run_worker({"first_run_hangs": handlers.first_run_hangs}, lease=1)
    until(lambda: queue.stats().counts[JobStatus.COMPLETED] == _TRIALS, timeout=60)
    for job_id in ids:
        job = queue.get_job(job_id)
        assert job.result == {"attempt": 2} and job.retry_count == 1
        runs = queue.transport.command("HGET", queue.tag + "test-runs", job_id)
        assert int(runs) == 2  # the killed one and the one that counted
    assert queue.doctor() == []


_PRODUCER = """
import json, sys
from faciliter_jobs import JobConfig, RedisJobQueue
queue = RedisJobQueue(JobConfig(**json.loads(sys.argv[2])))
for n in range(int(sys.argv[3])):
    queue.submit_job("count", {"n": n}, company_id=f"company-{n % 7}", user_id=f"user-{n % 11}")
"""


@pytest.mark.timeout(300)
def test_ten_thousand_jobs_by_four_producers_and_four_workers_run_once_each(queue):
    producers = [
        subprocess.Popen([sys.executable, "-c", _PRODUCER, *config_arguments(queue.config), "2500"])
        for _ in range(4)
    ]
    workers = [start_worker(queue, max_retries=0) for _ in range(4)]
    try:
        for producer in producers:
            assert producer.wait(120) == 0
        until(lambda: queue.stats().counts[JobStatus.COMPLETED] == 10_000, timeout=120, every=0.1)
        runs = queue.transport.command("HVALS", queue.tag + "test-runs")
        assert len(runs) == 10_000 and set(runs) == {b"1"}
        assert queue.doctor() == []
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            assert worker.wait(20) == 0
    finally:
        for process in (*producers, *workers):
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.mark.timeout(300)
def test_workers_killed_at_random_moments_lose_nothing(queue):
    """Workers die anywhere: between claim and start, in a handler, between its end and the report."""
    ids = queue.submit_jobs(
        [{"job_type": "sleep", "input_data": {"seconds": 0.002}, "max_retries": 50} for _ in range(1500)]
    )
    workers = [start_worker(queue, lease=1) for _ in range(2)]
    kills = 0
    try:
        deadline = time.monotonic() + 120
        while queue.stats().counts[JobStatus.COMPLETED] < len(ids):
            assert time.monotonic() < deadline, queue.stats()
            if kills < 6 and queue.stats().leased:
                victim = workers.pop(0)
                victim.kill()
                victim.wait()
                kills += 1
                workers.append(start_worker(queue, lease=1))
            time.sleep(0.35)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert kills >= 3
    runs = queue.transport.command("HVALS", queue.tag + "test-runs")
    assert len(runs) == len(ids)
    assert sum(map(int, runs)) >= len(ids)  # at least once
    assert queue.doctor() == []
