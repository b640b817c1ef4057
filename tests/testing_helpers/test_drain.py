"""`run_worker_until_empty` on a real queue, and the clock."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from faciliter_jobs import AsyncJobQueue, JobApp, JobHandler, JobStatus
from faciliter_jobs.testing import JobClock, run_worker_until_empty


class EchoHandler(JobHandler):
    def handle(self, job):
        return job.input_data


def test_it_runs_what_waits_and_what_that_submits_and_returns_the_finished_jobs(queue):
    jobs = JobApp(queue)

    @jobs.task
    def first(n: int) -> str:
        return second.submit(n + 1)

    @jobs.task
    def second(n: int) -> int:
        return n

    first.submit(1)
    queue.submit_job("echo", {"a": 1})
    queue.submit_job("plain")
    done = run_worker_until_empty(queue, jobs, EchoHandler(), {"plain": lambda job: "p"})
    assert [job.job_type for job in done] == ["first", "echo", "plain", "second"]
    assert [job.result for job in done[1:]] == [{"a": 1}, "p", 2]
    assert run_worker_until_empty(queue, jobs) == [], "what finished before isn't returned again"


def _goes_on(queue, seconds):
    """A handler that has ended its job, and submits another some time later."""

    def first(job):
        queue.complete_job(job.job_id, {"ok": 1})
        time.sleep(seconds)
        queue.submit_job("next")

    return {"first": first, "next": lambda job: "ran"}


@pytest.mark.parametrize("executor", ["thread", "process", "asyncio"])
def test_what_a_handler_submits_after_the_end_of_its_job_is_run_too(queue, executor):
    queue.submit_job("first")
    done = run_worker_until_empty(queue, _goes_on(queue, 0.05), executor=executor)
    assert [(job.job_type, job.result) for job in done] == [("first", {"ok": 1}), ("next", "ran")]


def test_what_is_submitted_while_the_worker_ends_is_run_too(queue):
    jobs = JobApp(queue)
    late = ["late"]

    @jobs.task
    def note(word: str) -> str:
        return word

    @jobs.on_shutdown
    def submit_late():
        if late:
            note.submit(late.pop())

    note.submit("first")
    assert [job.result for job in run_worker_until_empty(queue, jobs)] == ["first", "late"]


def test_a_handler_that_does_not_end_after_its_job_is_told_of(queue):
    queue.submit_job("first")
    with pytest.raises(AssertionError, match=r"not finished after 0\.3 s: a handler, which goes on"):
        run_worker_until_empty(queue, _goes_on(queue, 1.0), timeout=0.3)


def test_startup_and_shutdown_functions_are_run(queue):
    jobs = JobApp(queue)
    events = []
    jobs.on_startup(lambda state: events.append("startup"))
    jobs.on_shutdown(lambda: events.append("shutdown"))

    @jobs.task
    async def note() -> None:
        events.append("job")

    note.submit()
    run_worker_until_empty(queue, jobs)
    assert events == ["startup", "job", "shutdown"]


@pytest.mark.parametrize("executor", ["thread", "process", "asyncio"])
def test_the_worker_is_of_any_kind(default_queue, executor):
    jobs = JobApp()

    @jobs.task
    async def twice(n: int) -> int:
        return n * 2

    @jobs.task
    def both(n: int) -> list[str]:
        return [twice.submit(n), twice.submit(n + 1)]

    both.submit(1)
    done = run_worker_until_empty(default_queue, jobs, executor=executor, concurrency=3, timeout=30)
    assert [job.result for job in done[1:]] == [2, 4]


def test_retries_and_failures_are_part_of_it(queue):
    def broken(job):
        raise ValueError(job.attempt)

    queue.submit_job("t")
    (job,) = run_worker_until_empty(queue, {"t": broken}, max_retries=2)
    assert (job.status, job.attempt, job.error) == (JobStatus.FAILED, 3, "ValueError: 3")
    queue.retry_job(job.job_id)
    (job,) = run_worker_until_empty(queue, {"t": broken}, max_retries=0)
    assert job.attempt == 4, "a dead letter that was tried again has finished again"


def test_jobs_that_do_not_end_are_named(queue):
    release = threading.Event()
    queue.submit_job("t", job_id="stuck")
    try:
        with pytest.raises(AssertionError, match=r"not finished after 0\.3 s: stuck \(t, processing, att"):
            run_worker_until_empty(queue, {"t": lambda job: release.wait(20) and None}, timeout=0.3)
    finally:
        release.set()


def test_jobs_without_a_handler_are_named_at_once(queue):
    queue.submit_job("resize")
    start = time.monotonic()
    with pytest.raises(AssertionError, match="no handler was given for: resize"):
        run_worker_until_empty(queue, {"t": lambda job: None})
    assert time.monotonic() - start < 5


def test_an_error_of_the_worker_itself_is_raised(queue):
    jobs = JobApp(queue)

    @jobs.on_startup
    def connect():
        raise ZeroDivisionError("no database")

    @jobs.task
    def note() -> None: ...

    note.submit()
    with pytest.raises(ZeroDivisionError, match="no database"):
        run_worker_until_empty(queue, jobs)


def test_without_a_clock_delayed_jobs_are_waited_for(queue):
    queue.submit_job("t", delay=0.2)
    (job,) = run_worker_until_empty(queue, {"t": lambda job: "late"})
    assert job.result == "late"


def test_time_stands_still_until_it_is_advanced(queue):
    clock = JobClock(queue)
    queue.submit_job("t", job_id="now")
    queue.submit_job("t", job_id="soon", delay=60)
    queue.submit_job("t", job_id="later", run_at=clock.now + timedelta(hours=2))

    def run():
        return [job.job_id for job in run_worker_until_empty(queue, {"t": lambda job: None})]

    assert run() == ["now"]
    clock.advance(59.9)
    assert run() == []
    clock.advance(0.1)
    assert run() == ["soon"]
    clock.advance(7200)
    assert run() == ["later"]
    assert queue.doctor() == []


def test_a_retry_waits_for_the_clock(queue):
    clock = JobClock(queue)
    attempts = []

    def broken(job):
        attempts.append(job.attempt)
        raise ValueError

    queue.submit_job("t", max_retries=1, retry_delay=300)
    assert run_worker_until_empty(queue, {"t": broken}) == []
    clock.advance(300)
    (job,) = run_worker_until_empty(queue, {"t": broken})
    assert (attempts, job.status) == ([1, 2], JobStatus.FAILED)


def test_ttl_passes_by_the_clock(queue):
    clock = JobClock(queue)
    queue.submit_job("t", ttl=60)
    clock.advance(61)
    (job,) = run_worker_until_empty(queue, {"t": lambda job: None})
    assert (job.status, job.error) == (JobStatus.CANCELLED, "expired before it started")


def test_an_asyncio_client_sees_the_same_time(queue):
    import asyncio

    clock = JobClock(queue, start=1_000_000)

    async def submit() -> str:
        client = AsyncJobQueue(queue.config)
        clock.drive(client)
        async with client:
            return await client.submit_job("t")

    job = queue.get_job(asyncio.run(submit()))
    assert job.created_at == "1970-01-12T13:46:40.000+00:00"
