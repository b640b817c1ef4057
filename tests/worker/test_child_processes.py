"""The process executor's children die: each takes its one attempt with it."""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import logging
import os
import signal
import threading
import time

import pytest

from faciliter_jobs import JobQueueError, JobStatus, JobWorker, update_job_progress
from tests.support.processes import start_worker
from tests.support.wait import until


def _dies(job):
    if job.attempt > 1:
        return {"attempt": job.attempt}
    how = job.input_data["how"]
    if how == "exit":
        os._exit(7)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segfault":
        faulthandler.disable()
        ctypes.string_at(0)
    raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("exit", "its process exited with code 7 (max RSS "),
        ("kill", "its process was killed by SIGKILL (max RSS "),
        ("segfault", "its process was killed by SIGSEGV (max RSS "),
    ],
)
def test_a_child_that_dies_fails_its_attempt_and_says_how(queue, run_worker, looks, how, says):
    """LESSONS 20."""
    run_worker({"t": _dies, "u": lambda job: time.sleep(0.2) or {}}, executor="process", concurrency=2)
    neighbours = queue.submit_jobs([{"job_type": "u"}] * 3)
    once = queue.submit_job("t", {"how": how}, max_retries=0)
    again = queue.submit_job("t", {"how": how})
    job = looks.finished(once)
    assert job.status is JobStatus.FAILED and job.error.startswith(says), job.error
    assert int(job.error.removeprefix(says).split()[0]) > 5
    assert looks.finished(again).result == {"attempt": 2}
    assert looks.finished(again).metadata["last_error"].startswith(says)
    assert {looks.finished(i).status for i in neighbours} == {JobStatus.COMPLETED}
    assert queue.doctor() == []


def test_a_killed_idle_child_costs_no_job(queue, run_worker, looks):
    run_worker({"t": lambda job: {"pid": os.getpid()}}, executor="process")
    first = looks.finished(queue.submit_job("t")).result["pid"]
    os.kill(first, signal.SIGKILL)
    until(lambda: not _exists(first))
    job = looks.finished(queue.submit_job("t", max_retries=0))
    assert job.status is JobStatus.COMPLETED and job.result["pid"] != first


def _exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_killed_at_random_lose_nothing(queue, run_worker):
    """LESSONS 2, 14."""
    pids = queue.tag + "test-pids"

    def handle(job):
        queue.transport.command("SADD", pids, os.getpid())
        time.sleep(0.005)
        return {}

    ids = queue.submit_jobs([{"job_type": "t", "max_retries": 100}] * 300)
    run_worker({"t": handle}, executor="process", concurrency=3, retry_delay=0)
    killed = 0
    while queue.stats().counts[JobStatus.COMPLETED] < 300:
        pid = queue.transport.command("SRANDMEMBER", pids)
        if pid is not None and killed < 15:
            queue.transport.command("SREM", pids, pid)
            if _exists(int(pid)):
                os.kill(int(pid), signal.SIGKILL)
                killed += 1
        time.sleep(0.02)
    assert killed > 3 and {queue.get_job(i).status for i in ids} == {JobStatus.COMPLETED}
    assert queue.doctor() == []


def test_when_the_worker_is_killed_its_children_end_at_once_and_its_jobs_come_back(queue, looks):
    """LESSONS 2: also those that don't listen. No handler goes on while another worker runs its job."""
    victim = start_worker(queue, executor="process", concurrency=2, lease=1)
    job_id = queue.submit_job("first_run_hangs")
    pid = int(looks.entered(job_id).removeprefix("pid "))
    victim.kill()
    victim.communicate()
    until(lambda: not _exists(pid), 5)
    heir = start_worker(queue, executor="process", concurrency=2, lease=1)
    try:
        assert looks.finished(job_id).result == {"attempt": 2}
    finally:
        heir.terminate()
        heir.communicate(timeout=15)
    assert heir.returncode == 0 and queue.doctor() == []


def test_when_the_nursery_is_killed_the_worker_finishes_what_runs_and_ends_with_an_error(queue, looks):
    worker = JobWorker(queue, executor="process", concurrency=2, poll_interval=0.1)
    ended = []

    @worker.handler("t")
    def handle(job):
        update_job_progress(job.job_id, 1, str(os.getppid()))
        time.sleep(0.5)
        return {}

    def start():
        try:
            worker.start()
        except JobQueueError as error:
            ended.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    running = queue.submit_job("t")
    os.kill(int(looks.entered(running)), signal.SIGKILL)
    thread.join(20)
    assert not thread.is_alive() and "makes child processes has died" in ended[0]
    waiting = queue.submit_job("t")
    assert queue.get_job(running).status in (JobStatus.COMPLETED, JobStatus.PENDING)
    assert queue.get_job(waiting).status is JobStatus.PENDING
    assert queue.doctor() == [] and queue.stats().workers == []


def test_a_child_that_cannot_start_is_tried_again_and_costs_no_job(queue, run_worker, looks, caplog):
    caplog.set_level(logging.CRITICAL)
    worker = JobWorker(queue, executor="process", concurrency=1, poll_interval=0.1)
    tries, here = queue.tag + "test-tries", os.getpid()

    @worker.on_startup
    def fails_at_first():
        if os.getpid() != here and queue.transport.command("INCR", tries) < 3:
            raise OSError("not yet")

    worker.register_function_handler("t", lambda job: {})
    job_id = queue.submit_job("t", max_retries=0)
    worker.start(max_jobs=1)
    assert queue.get_job(job_id).status is JobStatus.COMPLETED
    assert int(queue.transport.command("GET", tries)) == 3


def test_a_fork_that_fails_costs_no_other_job_and_is_tried_again(
    queue, run_worker, looks, monkeypatch, caplog
):
    """ENOMEM or EAGAIN. The first fork makes the nursery, two their children, the fourth a successor."""
    fork, forks = os.fork, 0

    def may_fail():
        nonlocal forks
        forks += 1
        if forks == 4:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", may_fail)
    handlers = {"crash": lambda job: os._exit(1), "t": lambda job: time.sleep(job.input_data["for"])}
    run_worker(handlers, executor="process", concurrency=2)
    long = queue.submit_job("t", {"for": 1.5}, max_retries=0)
    until(lambda: queue.get_job(long).status is JobStatus.PROCESSING)
    assert looks.finished(queue.submit_job("crash", max_retries=0)).status is JobStatus.FAILED
    # Both children work again.
    others = [queue.submit_job("t", {"for": 0.2}, max_retries=0) for _ in range(4)]
    for job_id in (long, *others):
        assert looks.finished(job_id).status is JobStatus.COMPLETED
    assert "can't make a child process: Resource temporarily unavailable" in caplog.text


def test_closures_and_what_cannot_be_pickled_work_in_children(queue, run_worker, looks):
    lock, seen = threading.Lock(), {"n": 41}

    def handle(job):
        with lock:
            seen["n"] += 1
        return {"n": seen["n"], "blob": b"\xff" * 100_000}

    run_worker({"t": handle}, executor="process")
    assert [looks.finished(queue.submit_job("t")).result["n"] for _ in range(2)] == [42, 43]
    assert seen["n"] == 41


def test_a_result_that_cannot_be_stored_fails_the_job_without_a_retry(queue, run_worker, looks):
    run_worker({"t": lambda job: {"x": {1, 2}}}, executor="process")
    job = looks.finished(queue.submit_job("t"))
    assert job.error == "NotSerialisableError: result.x: set is not serialisable" and job.retry_count == 0
