"""Workers as processes: signals, crashes, pauses, and a server that goes away."""

from __future__ import annotations

import os
import signal
import time

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue
from tests.support.processes import start_worker
from tests.support.wait import until


@pytest.fixture
def start(queue):
    """Starts worker processes; those that still run at the end of the test are killed."""
    started = []

    def run(**options):
        process = start_worker(options.pop("queue", queue), **options)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _running(queue, job_id):
    """The attempt has entered its handler."""
    return until(lambda: (queue.get_job(job_id).progress_message or "").startswith("pid"))


def _finished(queue, job_id, timeout=20.0):
    def look():
        job = queue.get_job(job_id)
        return job if job.status.is_terminal else None

    return until(look, timeout)


def test_sigterm_finishes_what_runs_gives_back_the_rest_and_exits_0(queue, start):
    running = queue.submit_job("sleep", {"seconds": 1})
    waiting = queue.submit_job("sleep", {"seconds": 0})
    process = start(poll_interval=30)
    _running(queue, running)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert queue.get_job(running).status is JobStatus.COMPLETED
    assert queue.get_job(waiting).status is JobStatus.PENDING
    assert queue.stats().workers == [] and queue.doctor() == []


def test_sigterm_ends_an_idle_worker_at_once(queue, start):
    process = start(poll_interval=60)
    until(lambda: queue.stats().parked == 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_second_signal_gives_the_running_job_back_at_once(queue, start):
    job_id = queue.submit_job("sleep", {"seconds": 600})
    process = start()
    _running(queue, job_id)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    job = queue.get_job(job_id)
    assert job.status is JobStatus.PENDING and job.retry_count == 0  # no attempt was counted
    assert queue.doctor() == []


def test_a_killed_workers_job_is_finished_by_another_after_the_lease(queue, start):
    """LESSONS 2, 3, 14."""
    job_id = queue.submit_job("first_run_hangs")
    victim = start(lease=1)
    _running(queue, job_id)
    began = time.monotonic()
    victim.kill()
    start(lease=1)
    job = _finished(queue, job_id)
    assert job.status is JobStatus.COMPLETED and job.result == {"attempt": 2}
    assert job.retry_count == 1 and job.metadata["last_error"].startswith("worker lost")
    assert time.monotonic() - began < 5
    assert queue.doctor() == []


def test_a_lost_job_is_recovered_by_a_worker_of_another_type(queue, start, run_worker):
    """LESSONS 3: recovery doesn't depend on a worker of the same type."""
    job_id = queue.submit_job("first_run_hangs")
    victim = start(lease=1)
    _running(queue, job_id)
    run_worker({"other": lambda job: {}})
    victim.kill()
    until(lambda: queue.get_job(job_id).status is JobStatus.PENDING)
    assert queue.doctor() == []


def test_a_job_that_kills_its_workers_ends_as_a_dead_letter(queue, start):
    """LESSONS 19: it doesn't go round for ever."""
    job_id = queue.submit_job("exit", max_retries=2)
    for _ in range(3):
        process = start(lease=1)
        assert process.wait(20) == 7
        until(lambda: queue.stats().leased == 0 or _tend(queue))
    job = _finished(queue, job_id)
    assert job.status is JobStatus.FAILED and job.error.startswith("worker lost")
    assert job.attempt == 3
    assert queue.doctor() == []


def test_an_attempt_that_ends_its_process_at_once_counts_also_when_the_job_was_handed_over(queue, start):
    """Its worker calls the handler before the server has answered, and not before it has been told."""
    process = start(lease=1, poll_interval=30)
    until(lambda: queue.stats().parked == 1)
    job_id = queue.submit_job("exit", max_retries=1)
    assert process.wait(20) == 7
    assert queue.get_job(job_id).attempt == 1
    process = start(lease=1, poll_interval=0.2)
    assert process.wait(20) == 7
    until(lambda: queue.stats().leased == 0 or _tend(queue))
    job = _finished(queue, job_id)
    assert (job.status, job.attempt) == (JobStatus.FAILED, 2)


def _tend(queue):
    """What another worker does in passing."""
    from faciliter_jobs import scripts

    queue.transport.run(scripts.recover(queue.tag, limit=10))


def test_a_lease_is_kept_while_a_handler_runs_however_long(queue, start):
    """LESSONS 7: no fixed visibility timeout."""
    job_id = queue.submit_job("sleep", {"seconds": 3})
    start(lease=1)
    start(lease=1)
    job = _finished(queue, job_id)
    assert job.status is JobStatus.COMPLETED and job.attempt == 1


def test_a_paused_worker_that_wakes_after_its_lease_cannot_commit(queue, start):
    """LESSONS 8: fencing."""
    job_id = queue.submit_job("sleep", {"seconds": 0.5})
    paused = start(lease=1)
    _running(queue, job_id)
    os.kill(paused.pid, signal.SIGSTOP)
    other = start(lease=1)
    job = _finished(queue, job_id)
    assert job.result == {"pid": other.pid} and job.attempt == 2
    os.kill(paused.pid, signal.SIGCONT)
    until(lambda: len(queue.stats().workers) == 2)  # it is back, and has been told
    again = queue.get_job(job_id)
    assert (again.result, again.updated_at) == (job.result, job.updated_at)
    paused.send_signal(signal.SIGTERM)
    assert paused.wait(10) == 0
    assert "too late" in paused.stderr.read() + ""
    assert queue.doctor() == []


def test_workers_outlive_their_server(own_server, start):
    """LESSONS 21, 24: they come back by themselves, scripts and all, and say it once."""
    queue = RedisJobQueue(own_server.config)
    queue.connect()
    process = start(queue=queue)
    first = queue.submit_job("count")
    _finished(queue, first)
    own_server.kill()
    time.sleep(1)
    own_server.start()
    second = queue.submit_job("count")
    assert _finished(queue, second).status is JobStatus.COMPLETED
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    log = process.stderr.read()
    assert log.count("has lost its server") == 1 and log.count("is connected again") == 1
    queue.close()


def test_killed_connections_and_flushed_scripts_lose_nothing(queue, server, start):
    """LESSONS 1, 21, 24."""
    ids = queue.submit_jobs([{"job_type": "count", "input_data": {"n": n}} for n in range(300)])
    for _ in range(2):
        start()
    client = server.client()

    def all_done():
        client.client_kill_filter(_type="normal", skipme=True)
        client.script_flush()
        time.sleep(0.05)
        return queue.stats().counts[JobStatus.COMPLETED] == len(ids)

    until(all_done, timeout=60)
    assert queue.doctor() == []
