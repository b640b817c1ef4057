"""How a job reaches an idle worker: by hand-over, not by polling."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from faciliter_jobs import JobStatus
from tests.support.server import client_of
from tests.support.wait import until


def test_an_idle_worker_gets_a_job_at_once_however_long_its_poll_interval(queue, run_worker):
    run_worker({"t": lambda job: {}}, poll_interval=30)
    until(lambda: queue.stats().parked == 1)
    for _ in range(5):
        began = time.monotonic()
        job_id = queue.submit_job("t")
        until(lambda job_id=job_id: queue.get_job(job_id).status.is_terminal, timeout=10)
        assert time.monotonic() - began < 5  # far below the poll interval
        until(lambda: queue.stats().parked == 1)


def test_one_job_wakes_one_worker(queue, run_worker):
    for _ in range(4):
        run_worker({"t": lambda job: time.sleep(0.5)}, poll_interval=30)
    until(lambda: queue.stats().parked == 4)
    queue.submit_job("t")
    until(lambda: queue.stats().leased == 1)
    assert queue.stats().parked == 3


def test_many_jobs_wake_as_many_workers(queue, run_worker):
    ran = Counter()

    def handle(job):
        ran[job.worker] += 1
        time.sleep(0.3)

    for _ in range(3):
        run_worker({"t": handle}, poll_interval=30)
    until(lambda: queue.stats().parked == 3)
    ids = queue.submit_jobs([{"job_type": "t"}] * 3)
    until(lambda: all(queue.get_job(i).status.is_terminal for i in ids))
    assert sorted(ran.values()) == [1, 1, 1]


def test_a_delayed_job_runs_when_it_is_due_and_not_before(queue, run_worker):
    started = []
    run_worker({"t": lambda job: started.append(time.time())}, poll_interval=5)
    until(lambda: queue.stats().parked == 1)
    submitted = time.time()
    job_id = queue.submit_job("t", delay=0.5)
    queue.submit_job("t")  # the worker's next look sees the due time
    until(lambda: queue.get_job(job_id).status.is_terminal, timeout=4)
    assert started[1] - submitted >= 0.5


def test_a_worker_of_many_types_serves_them_all(queue, run_worker):
    ran = Counter()

    def handle(job):
        ran[job.job_type] += 1

    for _ in range(30):
        for job_type in ("a", "b", "c"):
            queue.submit_job(job_type)
    run_worker(dict.fromkeys(("a", "b", "c"), handle), max_jobs=30)
    until(lambda: sum(ran.values()) == 30)
    assert min(ran[t] for t in ("a", "b", "c")) >= 5  # none waits for another to be empty


def test_a_job_handed_to_a_worker_that_just_stopped_is_not_lost(queue, run_worker):
    worker = run_worker({"t": lambda job: {}}, poll_interval=30)
    until(lambda: queue.stats().parked == 1)
    worker.stop()
    ids = [queue.submit_job("t") for _ in range(20)]
    until(lambda: not worker.is_running())
    assert queue.doctor() == []
    run_worker({"t": lambda job: {}})
    until(lambda: all(queue.get_job(i).status.is_terminal for i in ids))


def test_a_waking_survives_that_the_server_has_lost_the_worker_s_script(queue, run_worker):
    run_worker({"t": lambda job: {}}, poll_interval=30)
    until(lambda: queue.stats().parked == 1)
    client_of(queue.config).script_flush()
    job_id = queue.submit_job("t")
    until(lambda: queue.get_job(job_id).status.is_terminal, timeout=5)
    assert queue.get_job(job_id).attempt == 1 and queue.doctor() == []


def test_an_idle_worker_asks_once_a_poll_interval(queue, run_worker):
    """It parks, and its BLMOVE goes on meanwhile."""
    run_worker({"t": lambda job: {}}, poll_interval=0.1)
    until(lambda: queue.stats().parked == 1)
    client = client_of(queue.config)

    def calls():
        stats = client.info("commandstats")
        return [stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("blmove", "evalsha")]

    time.sleep(0.3)
    waits, scripts = calls()
    time.sleep(1)
    waits, scripts = (now - before for now, before in zip(calls(), (waits, scripts)))
    assert 5 <= scripts <= 14 and waits <= 1  # a heartbeat now and then


@pytest.mark.parametrize(("executor", "each"), [("thread", 4), ("asyncio", 4), ("process", 3)])
def test_a_job_for_an_idle_worker_takes_four_calls(queue, run_worker, executor, each):
    """submit, read/handed (not for child processes), adopt, and the turn that reports it and parks again."""
    run_worker({"t": lambda job: {}}, poll_interval=30, executor=executor)
    until(lambda: queue.stats().parked == 1)
    client = client_of(queue.config)

    def calls():
        return client.info("commandstats")["cmdstat_evalsha"]["calls"]

    def run(jobs):
        for number in range(jobs):
            queue.submit_job("t")
            until(lambda number=number: client.zcard(queue.tag + "parked") == 1)

    run(5)
    before = calls()
    run(50)
    assert 50 * each <= calls() - before <= 50 * each + 10  # a heartbeat now and then


def test_more_due_jobs_than_one_step_takes_do_not_wait_for_the_next_interval(queue, run_worker):
    queue.submit_jobs([{"job_type": "t", "delay": 0.5, "company_id": "big"} for _ in range(1500)])
    last = queue.submit_job("t", delay=0.6, company_id="small")
    run_worker({"t": lambda job: {}}, poll_interval=2)
    until(lambda: queue.get_job(last).status is JobStatus.COMPLETED, 10)


def test_more_old_records_than_one_step_takes_go_between_two_intervals(queue, run_worker):
    queue.submit_jobs([{"job_type": "t", "ttl": 1.5} for _ in range(1500)])
    run_worker({"t": lambda job: {}}, poll_interval=1)
    until(lambda: queue.stats().counts[JobStatus.COMPLETED] == 1500)
    until(lambda: queue.stats().counts[JobStatus.COMPLETED] == 0, 5)
    assert queue.doctor() == []
