"""The end of a worker: what runs has so much time, and what doesn't end then is given back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from faciliter_jobs import JobStatus, JobWorker, update_job_progress
from tests.support.processes import start_worker
from tests.support.wait import until

WHERE = [("thread", 1), ("thread", 2), ("process", 2), ("asyncio", 2)]


@pytest.fixture(params=WHERE, ids=lambda where: f"{where[0]}-{where[1]}")
def where(request):
    return {"executor": request.param[0], "concurrency": request.param[1]}


@pytest.fixture
def start(queue):
    """Starts worker processes; those that still run at the end of the test are killed."""
    started = []

    def run(**options):
        process = start_worker(queue, **options)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _given_back(queue, job_id):
    job = queue.get_job(job_id)
    assert (job.status, job.retry_count, job.attempt) == (JobStatus.PENDING, 0, 0), "no attempt was counted"
    assert queue.stats().workers == [] and queue.doctor() == []


def test_sigterm_lets_running_jobs_end(queue, start, where, looks):
    running = queue.submit_job("sleep", {"seconds": 0.5})
    process = start(poll_interval=30, **where)
    looks.entered(running)
    process.send_signal(signal.SIGTERM)
    later = queue.submit_job("count")
    assert process.wait(15) == 0
    assert queue.get_job(running).status is JobStatus.COMPLETED
    assert queue.get_job(later).status is JobStatus.PENDING
    assert queue.stats().workers == [] and queue.doctor() == []


def test_after_the_shutdown_timeout_jobs_are_given_back(queue, start, where, looks):
    job_id = queue.submit_job("sleep", {"seconds": 600})
    process = start(shutdown_timeout=0.5, **where)
    looks.entered(job_id)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert 0.4 < time.monotonic() - began < 8
    _given_back(queue, job_id)


def test_a_second_signal_gives_jobs_back_at_once(queue, start, where, looks):
    job_id = queue.submit_job("sleep", {"seconds": 600})
    process = start(**where)
    looks.entered(job_id)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    _given_back(queue, job_id)


def test_signals_to_the_whole_process_group_let_jobs_end_in_child_processes(queue, looks):
    """As systemd and a terminal send them."""
    process = start_worker(queue, executor="process", concurrency=2, start_new_session=True)
    try:
        job_id = queue.submit_job("sleep", {"seconds": 1})
        looks.entered(job_id)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(15) == 0
        assert queue.get_job(job_id).status is JobStatus.COMPLETED
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_handlers_are_told_when_there_is_no_time_left(queue, run_worker, where, looks):
    def handle(job):
        update_job_progress(job.job_id, 1, "entered")
        deadline = time.monotonic() + 20
        while not job.cancelled:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        queue.transport.command("SET", queue.tag + "test-told", 1)
        job.raise_if_cancelled()

    worker = run_worker({"t": handle}, shutdown_timeout=0.2, **where)
    job_id = queue.submit_job("t")
    looks.entered(job_id)
    worker.stop()
    until(lambda: not worker.is_running())
    assert queue.transport.command("EXISTS", queue.tag + "test-told")
    _given_back(queue, job_id)


def test_what_still_completes_in_the_last_moment_counts(queue, run_worker, looks):
    """A handler that ends well when it is told isn't run again."""

    def handle(job):
        update_job_progress(job.job_id, 1, "entered")
        until(lambda: job.cancelled)
        return {"saved": True}

    worker = run_worker({"t": handle}, shutdown_timeout=0.1, concurrency=2)
    job_id = queue.submit_job("t")
    looks.entered(job_id)
    worker.stop()
    until(lambda: not worker.is_running())
    assert queue.get_job_result(job_id) == {"saved": True}


def test_the_late_result_of_a_job_that_was_given_back_is_refused(queue, run_worker, looks):
    release = threading.Event()

    def handle(job):
        update_job_progress(job.job_id, 1, "entered")
        release.wait(20)
        return {"late": True}

    worker = run_worker({"t": handle}, shutdown_timeout=0.1, concurrency=2)
    job_id = queue.submit_job("t")
    looks.entered(job_id)
    worker.stop()
    until(lambda: not worker.is_running())
    release.set()
    time.sleep(0.1)
    _given_back(queue, job_id)


def test_outside_the_main_thread_a_job_is_given_back_while_its_handler_goes_on(queue, run_worker, looks):
    """Nothing can end it there; another worker runs the job meanwhile."""
    release = threading.Event()

    def handle(job):
        update_job_progress(job.job_id, 1, "entered")
        return {"released": release.wait(20)}

    worker = run_worker({"t": handle}, shutdown_timeout=0.1)
    job_id = queue.submit_job("t")
    looks.entered(job_id)
    worker.stop()
    until(lambda: queue.get_job(job_id).status is JobStatus.PENDING)
    other = JobWorker(queue)
    other.register_function_handler("t", lambda job: {"other": True})
    other.start(max_jobs=1)
    release.set()
    until(lambda: not worker.is_running())
    assert queue.get_job_result(job_id) == {"other": True}
    assert queue.stats().workers == [] and queue.doctor() == []


def test_a_job_handed_over_while_the_worker_drains_is_left_to_others(queue, run_worker, looks):
    """It is parked when it is stopped: from then on nothing may be handed to it."""
    release = threading.Event()

    def handle(job):
        update_job_progress(job.job_id, 1, "entered")
        release.wait(20)
        return {}

    worker = run_worker({"t": handle}, concurrency=2, poll_interval=60)
    looks.entered(queue.submit_job("t"))
    until(lambda: queue.stats().parked == 1)
    worker.stop()
    until(lambda: queue.stats().parked == 0)
    other = queue.submit_job("t")
    assert queue.stats().waiting == {"t": 1}
    release.set()
    until(lambda: not worker.is_running())
    assert queue.get_job(other).status is JobStatus.PENDING and queue.doctor() == []


def test_a_handler_that_blocks_the_event_loop_does_not_hold_up_the_end(queue, looks, caplog):
    """There is no loop to run on_shutdown's coroutine in."""
    entered, go_on = threading.Event(), threading.Event()
    worker = JobWorker(queue, executor="asyncio", concurrency=2, shutdown_timeout=0.2, poll_interval=0.1)

    @worker.handler("t")
    async def blocks(job):
        entered.set()
        go_on.wait(30)

    @worker.on_shutdown
    async def says_goodbye():
        raise AssertionError("it can't be run")

    job_id = queue.submit_job("t")
    thread = threading.Thread(target=worker.start)
    thread.start()
    assert entered.wait(10)
    worker.stop()
    thread.join(10)
    assert not thread.is_alive()
    _given_back(queue, job_id)
    assert "a handler blocks the event loop" in caplog.text
    go_on.set()


_SLOW_START = """
import sys, time
from faciliter_jobs import JobConfig, JobWorker, RedisJobQueue
worker = JobWorker(RedisJobQueue(JobConfig.from_url(sys.argv[1], prefix=sys.argv[2])))
worker.register_function_handler("t", print)
@worker.on_startup
def loads_a_model():
    print("loads", flush=True)
    for _ in range(600):
        time.sleep(0.1)
worker.start()
"""


def test_a_second_ctrl_c_ends_a_worker_that_still_starts(queue):
    command = [sys.executable, "-c", _SLOW_START, queue.config.location, queue.config.prefix]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "loads\n"
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT and errors.endswith("KeyboardInterrupt\n")
