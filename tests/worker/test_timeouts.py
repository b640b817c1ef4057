"""Attempts that may take so long and no longer."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from faciliter_jobs import JobStatus, JobWorker, update_job_progress
from tests.support.wait import until

WHERE = [("thread", 1), ("thread", 2), ("process", 1), ("process", 2), ("asyncio", 1), ("asyncio", 2)]


@pytest.fixture(params=WHERE, ids=lambda where: f"{where[0]}-{where[1]}")
def where(request):
    return {"executor": request.param[0], "concurrency": request.param[1]}


def _busy(job):
    while True:
        pass


def test_a_handler_that_takes_too_long_fails_and_the_worker_goes_on(queue, run_worker, where, looks):
    release = queue.tag + "test-release"

    def handle(job):
        if job.input_data:
            until(lambda: queue.transport.command("EXISTS", release))
        return {}

    worker = run_worker({"t": handle}, **where)
    hangs = queue.submit_job("t", {"hangs": True}, timeout=0.25, max_retries=0)
    job = looks.finished(hangs)
    assert (job.status, job.error, job.timeout) == (JobStatus.FAILED, "timed out after 0.25 s", 0.25)
    queue.transport.command("SET", release, 1)
    assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED
    until(lambda: worker.health().active == 0 and worker.health().abandoned_threads == 0)
    assert queue.get_job(hangs) == job, "what its handler returned later was refused"
    assert queue.doctor() == []


def test_a_busy_loop_is_killed_within_three_seconds(queue, run_worker, looks):
    run_worker({"busy": _busy, "t": lambda job: {}}, executor="process")
    job_id = queue.submit_job("busy", timeout=2, max_retries=0)
    until(lambda: queue.get_job(job_id).status is JobStatus.PROCESSING)
    began = time.monotonic()
    job = looks.finished(job_id)
    assert time.monotonic() - began < 3
    assert (job.status, job.error) == (JobStatus.FAILED, "timed out after 2 s")
    assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED


@pytest.fixture
def signals():
    """In children of a worker that a thread runs, as `run_worker` does: CPython 3.13.0 has none there."""

    def fork():
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
            began = time.monotonic()
            while time.monotonic() - began < 1:
                continue
            os._exit(1)
        return pid

    with ThreadPoolExecutor(1) as thread:
        _, status = os.waitpid(thread.submit(fork).result(), 0)
    if status != 0:
        pytest.skip("this Python handles no signals in a child that a thread has forked")


@pytest.mark.usefixtures("signals")
def test_a_process_that_ignores_sigterm_is_killed(queue, run_worker, looks):
    def handle(job):
        while True:
            try:
                _busy(job)
            except BaseException:
                update_job_progress(job.job_id, 1, "no, thanks")

    run_worker({"t": handle}, executor="process")
    job_id = queue.submit_job("t", timeout=0.3, max_retries=0)
    job = looks.finished(job_id)
    assert (job.error, job.progress_message) == ("timed out after 0.3 s", "no, thanks")


def test_a_handler_in_a_process_can_clean_up_when_its_time_is_over(queue, run_worker, looks):
    def handle(job):
        try:
            time.sleep(60)
        finally:
            queue.transport.command("SET", queue.tag + "test-clean", job.job_id)

    run_worker({"t": handle}, executor="process")
    job_id = queue.submit_job("t", timeout=0.3, max_retries=0)
    assert looks.finished(job_id).error == "timed out after 0.3 s"
    assert queue.transport.command("GET", queue.tag + "test-clean") == job_id.encode()


def test_a_timed_out_attempt_is_retried_like_any_failure(queue, run_worker, where, looks):
    def handle(job):
        if job.attempt == 1:
            time.sleep(0.7)
        return {"attempt": job.attempt}

    run_worker({"t": handle}, retry_delay=0, timeout=0.3, **where)
    job = looks.finished(queue.submit_job("t"))
    assert job.result == {"attempt": 2}
    assert job.metadata == {"retry_count": 1, "last_error": "timed out after 0.3 s"}


def test_the_jobs_timeout_goes_before_the_types_and_that_before_the_workers(queue, looks):
    worker = JobWorker(queue, timeout=0.3, max_retries=0, executor="asyncio", concurrency=4)

    async def sleep(job):
        await asyncio.sleep(20)

    worker.register_function_handler("plain", sleep)
    worker.register_function_handler("own", sleep, timeout=0.2)
    worker.handler("decorated", timeout=0.4)(sleep)
    ids = [queue.submit_job(t) for t in ("plain", "own", "decorated")]
    ids += [queue.submit_job("own", timeout=0.1)]
    worker.start(max_jobs=4)
    errors = [queue.get_job(job_id).error for job_id in ids]
    assert errors == [f"timed out after {seconds} s" for seconds in (0.3, 0.2, 0.4, 0.1)]


def test_a_task_is_cancelled_and_may_clean_up(queue, run_worker, looks):
    cleaned = threading.Event()

    async def handle(job):
        try:
            await asyncio.sleep(20)
        finally:
            cleaned.set()

    run_worker({"t": handle}, executor="asyncio")
    assert looks.finished(queue.submit_job("t", timeout=0.1, max_retries=0)).status is JobStatus.FAILED
    assert cleaned.wait(5)


def test_a_task_that_will_not_end_is_given_up(queue, run_worker, looks):
    async def handle(job):
        if not job.input_data:
            return {}
        for _ in range(12):
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue
        return None

    worker = run_worker({"t": handle}, executor="asyncio")
    hangs = queue.submit_job("t", {"hangs": True}, timeout=0.2, max_retries=0)
    assert looks.finished(hangs).error == "timed out after 0.2 s"
    assert worker.health().abandoned_threads == 1
    assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED
    until(lambda: worker.health().abandoned_threads == 0)


def test_threads_that_hang_are_replaced_and_counted(queue, run_worker, looks):
    release = threading.Event()
    worker = run_worker(
        {"hangs": lambda job: release.wait(20), "t": lambda job: {}}, concurrency=2, max_retries=0
    )
    for _ in range(3):
        looks.finished(queue.submit_job("hangs", timeout=0.1))
    assert worker.health().abandoned_threads == 3
    assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED
    release.set()
    until(lambda: worker.health().abandoned_threads == 0)


def test_a_handler_that_holds_the_loop_after_its_time_shows_in_the_health(queue, run_worker, looks):
    """LESSONS 21: such a worker runs nothing any more."""
    release = threading.Event()
    worker = run_worker({"t": lambda job: release.wait(20)}, max_retries=0)
    looks.finished(queue.submit_job("t", timeout=0.2))
    time.sleep(0.3)
    assert worker.health().turned_ago > 0.2 and worker.health().abandoned_threads == 1
    release.set()
    until(lambda: worker.health().abandoned_threads == 0)


def test_within_the_time_nothing_happens(queue, run_worker, where):
    queue.submit_jobs([{"job_type": "t", "timeout": 30}] * 50)
    run_worker({"t": lambda job: {}}, **where)
    until(lambda: queue.stats().counts[JobStatus.COMPLETED] == 50)


def test_many_timeouts_that_came_to_nothing_are_forgotten():
    from faciliter_jobs.worker.alarms import Alarms

    alarms = Alarms()
    alarms.start()
    for _ in range(5000):
        assert alarms.after(3600, lambda: None).cancel()
    assert len(alarms._heap) < 1000
    called = threading.Event()
    late = alarms.after(0.01, called.set)
    assert called.wait(5) and not late.cancel()
    alarms.close()


@pytest.mark.parametrize("concurrency", [1, 2])
def test_an_async_handler_in_a_thread_ends_when_its_time_is_over(queue, run_worker, looks, concurrency):
    async def handle(job):
        await asyncio.sleep(60 if job.input_data else 0)
        return {}

    worker = run_worker({"t": handle}, concurrency=concurrency)
    job = looks.finished(queue.submit_job("t", {"hangs": True}, timeout=0.2, max_retries=0))
    assert job.error == "timed out after 0.2 s"
    assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED
    until(lambda: worker.health().abandoned_threads == 0)
