"""Handles: a job of a task, and its typed result."""

from __future__ import annotations

import pytest

from faciliter_jobs import JobFailedError, JobNotFoundError, JobStatus, JobWasCancelledError, WaitTimeoutError
from faciliter_jobs.testing import EagerQueue, eager
from tests.tasks.models import Point


def move(x: int) -> Point:
    if x < 0:
        raise ValueError("negative")
    return Point(x)


def test_a_handle_waits_for_the_result_and_gives_it_its_type(queue, jobs):
    task = jobs.task(max_retries=0)(move)
    handle = task.start(3)
    assert (handle.status(), handle.job().input_data) == (JobStatus.PENDING, {"x": 3})
    with pytest.raises(WaitTimeoutError):
        handle.result(timeout=0.05)
    jobs.worker(poll_interval=0.1).start(max_jobs=1)
    assert handle.result(timeout=10) == task.handle(handle.id).result() == Point(3)


def test_it_raises_what_became_of_the_job(queue, jobs):
    task = jobs.task(max_retries=0)(move)
    broken, unwanted = task.start(-1), task.start(1)
    assert unwanted.cancel() and not unwanted.cancel()
    jobs.worker(poll_interval=0.1).start(max_jobs=1)
    with pytest.raises(JobFailedError, match="ValueError: negative"):
        broken.result(timeout=10)
    with pytest.raises(JobWasCancelledError):
        unwanted.result(timeout=10)
    with pytest.raises(JobNotFoundError, match="job nowhere"):
        task.handle("nowhere").status()


def test_in_line_it_does_not_wait(jobs):
    task = jobs.task(max_retries=0)(move)
    with eager(jobs) as queue:
        assert isinstance(queue, EagerQueue)
        assert task.start(3).result(timeout=60) == Point(3)
        with pytest.raises(JobFailedError, match="ValueError: negative"):
            task.start(-1).result()
        with pytest.raises(WaitTimeoutError, match="run by nobody"):
            task.options(delay=60).start(1).result(timeout=60)
        with pytest.raises(JobNotFoundError):
            task.handle("nowhere").result()
