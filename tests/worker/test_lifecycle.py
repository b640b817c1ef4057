"""Starting and stopping a worker."""

from __future__ import annotations

import threading
import time

import pytest

from faciliter_jobs import InvalidArgumentError, InvalidTypeError, JobQueueError, JobStatus, JobWorker
from faciliter_jobs.scripts import composed
from tests.support.server import client_of
from tests.support.wait import until


def test_start_returns_after_max_jobs_and_leaves_the_rest(queue):
    ids = [queue.submit_job("t", {"n": n}) for n in range(3)]
    worker = JobWorker(queue)
    worker.register_function_handler("t", lambda job: {})
    worker.start(max_jobs=2)
    assert [queue.get_job(i).status.value for i in ids] == ["completed", "completed", "pending"]
    assert not worker.is_running()
    assert queue.doctor() == []


def test_start_with_max_jobs_zero_runs_nothing(queue):
    job_id = queue.submit_job("t")
    worker = JobWorker(queue)
    worker.register_function_handler("t", lambda job: {})
    worker.start(max_jobs=0)
    assert queue.get_job(job_id).status is JobStatus.PENDING


def test_no_job_waits_for_a_script_to_be_loaded(queue, run_worker):
    """Each takes tens of milliseconds: tend's, a second after the start, made p99 six times as long."""
    client = client_of(queue.config)
    client.script_flush()
    run_worker({"t": lambda job: {}}, poll_interval=60)
    until(lambda: queue.stats().parked == 1)
    names = "turn", "park", "adopt", "read/handed", "tend", "heartbeat", "release"
    assert client.script_exists(*[composed(name).sha for name in names]) == [True] * len(names)


def test_stop_wakes_an_idle_worker_at_once(queue, run_worker):
    worker = run_worker({"t": lambda job: {}}, poll_interval=60)
    until(lambda: queue.stats().parked == 1)
    began = time.monotonic()
    worker.stop()
    until(lambda: not worker.is_running())
    assert time.monotonic() - began < 5
    assert queue.stats().workers == [] and queue.stats().parked == 0


def test_stop_lets_the_running_job_finish(queue, run_worker):
    entered, go_on = threading.Event(), threading.Event()

    def handle(job):
        entered.set()
        go_on.wait(10)
        return {"done": True}

    first, second = queue.submit_job("t"), queue.submit_job("t")
    worker = run_worker({"t": handle})
    assert entered.wait(10)
    worker.stop()
    go_on.set()
    until(lambda: not worker.is_running())
    assert queue.get_job_result(first) == {"done": True}
    assert queue.get_job(second).status is JobStatus.PENDING
    assert queue.doctor() == []


def test_a_handler_may_stop_its_own_worker(queue):
    worker = JobWorker(queue)

    def handle(job):
        worker.stop()
        return {}

    worker.register_function_handler("t", handle)
    queue.submit_jobs([{"job_type": "t"}] * 2)
    worker.start()
    assert queue.stats().counts[JobStatus.COMPLETED] == 1


def test_a_worker_can_be_started_again(queue):
    worker = JobWorker(queue)
    worker.register_function_handler("t", lambda job: {})
    for _ in range(3):
        job_id = queue.submit_job("t")
        worker.start(max_jobs=1)
        assert queue.get_job(job_id).status is JobStatus.COMPLETED


def test_a_stop_before_start_is_not_forgotten(queue):
    worker = JobWorker(queue)
    worker.register_function_handler("t", lambda job: {})
    worker.stop()
    worker.start()  # returns at once
    assert not worker.is_running()


def test_one_worker_is_not_started_twice(queue, run_worker):
    worker = run_worker({"t": lambda job: {}})
    until(worker.is_running)
    with pytest.raises(JobQueueError, match="running already"):
        worker.start()


def test_a_worker_without_handlers_says_so(queue):
    with pytest.raises(InvalidArgumentError, match="no handler"):
        JobWorker(queue).start()


@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        ({"poll_interval": 0}, InvalidArgumentError, "poll_interval"),
        ({"poll_interval": "1"}, InvalidTypeError, "poll_interval"),
        ({"max_retries": -1}, InvalidArgumentError, "max_retries"),
        ({"max_retries": 1.5}, InvalidTypeError, "max_retries"),
        ({"retry_delay": -1}, InvalidArgumentError, "retry_delay"),
        ({"retry_delay": float("nan")}, InvalidArgumentError, "retry_delay"),
        ({"lease": 0.5}, InvalidArgumentError, "lease"),
        ({"backoff": "linear"}, InvalidArgumentError, "backoff"),
        ({"job_queue": object()}, InvalidTypeError, "job_queue"),
    ],
)
def test_bad_arguments_are_named(queue, arguments, error, names):
    with pytest.raises(error, match=names):
        JobWorker(**{"job_queue": queue, **arguments})


def test_bad_handlers_are_named(queue):
    worker = JobWorker(queue)
    with pytest.raises(InvalidTypeError, match="JobHandler"):
        worker.register_handler(lambda job: {})
    with pytest.raises(InvalidTypeError, match="function"):
        worker.register_function_handler("t", "not a function")
    with pytest.raises(InvalidArgumentError, match="job type"):
        worker.register_function_handler("", lambda job: {})
