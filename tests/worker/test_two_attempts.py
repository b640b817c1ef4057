"""A worker with several slots may hold two attempts at one job: one that lost its lease and goes on, and
the next, which came back to the same worker."""

from __future__ import annotations

import threading

from faciliter_jobs import JobStatus, scripts
from faciliter_jobs.worker.heartbeat import Heartbeat
from tests.support.contract import LEASE_MS, Stage
from tests.support.wait import until


def _take_back(queue, job_id):
    """As if its lease had passed. The worker's heartbeat may renew it between the two calls."""

    def taken_back():
        queue.transport.command("ZADD", queue.tag + "leases", "XX", 1, job_id)
        queue.transport.run(scripts.recover(queue.tag, limit=10))
        return queue.transport.command("HEXISTS", f"{queue.tag}job:{job_id}", "losses")

    until(taken_back)


def test_the_end_of_the_old_attempt_leaves_the_new_ones_lease_alone(queue, clock):
    """LESSONS 8."""
    stage = Stage(queue, clock)
    told = []
    heartbeat = Heartbeat(queue, "w1", ["t"], LEASE_MS, 3, lambda token, job_id: told.append(token))
    job_id = stage.submit()
    old = stage.claim_one("w1")
    heartbeat.hold([old])
    stage.lose(job_id)
    new = stage.claim_one("w1")
    heartbeat.hold([new])
    assert told == [old.token]
    heartbeat.let_go([old])
    clock.advance(LEASE_MS / 1000 - 1)
    heartbeat.beat()
    clock.advance(2)
    assert stage.recover() == 0
    assert stage.complete(job_id, new.token).value == "completed"


def test_a_job_that_comes_back_to_a_worker_that_still_runs_it_is_begun_at_once(queue, run_worker):
    """Also when no other worker is there to take it."""
    go_on, attempts = threading.Event(), []

    def first_hangs(job):
        attempts.append(job.job_id)
        if len(attempts) == 1:
            assert go_on.wait(30)
            return "late"
        return "in time"

    worker = run_worker({"t": first_hangs}, concurrency=2, poll_interval=60)
    job_id = queue.submit_job("t")
    until(lambda: attempts)
    parked = queue.tag + "parked"
    until(lambda: queue.transport.command("ZCARD", parked) == 1)  # it waits for a second job
    _take_back(queue, job_id)
    try:
        until(lambda: queue.get_job(job_id).status is JobStatus.COMPLETED)
    finally:
        go_on.set()
    until(lambda: worker.is_running() and queue.transport.command("ZCARD", parked) == 1)
    assert queue.get_job(job_id).result == "in time"
    assert attempts == [job_id, job_id]
