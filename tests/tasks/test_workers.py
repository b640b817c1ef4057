"""Tasks in workers of every kind."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
import time

import pytest

from faciliter_jobs import Depends, Job, JobApp, JobContext, JobStatus
from faciliter_jobs.middleware import GiveUpOn, Middleware, RetryOn
from tests.support.wait import until

who = contextvars.ContextVar("who", default="nobody")


class Note(Middleware):
    """Tells the task, by a context variable, that it was run within it."""

    def before(self, job: Job) -> None:
        who.set(job.job_type)


async def connect():
    await asyncio.sleep(0)
    yield "db"


def _app(queue) -> JobApp:
    jobs = JobApp(queue)
    jobs.middleware(Note)

    @jobs.on_startup
    async def prepare(state) -> None:
        state.pid = os.getpid()

    @jobs.task
    def plain(ctx: JobContext, n: int) -> list[object]:
        return [n + 1, ctx.state.pid == os.getpid(), who.get(), ctx.progress(10), ctx.job.attempt]

    @jobs.task("async")
    async def asynchronous(ctx: JobContext, n: int, db: str = Depends(connect)) -> list[object]:
        await asyncio.sleep(0.01)
        return [n + 1, ctx.state.pid == os.getpid(), who.get(), await ctx.progress_async(10), db]

    return jobs


@pytest.mark.parametrize("executor", ["thread", "process", "asyncio"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_sync_and_async_tasks_run_in_every_executor(queue, executor, concurrency):
    jobs = _app(queue)
    plain = [jobs.tasks["plain"].submit(n) for n in range(4)]
    asynchronous = [jobs.tasks["async"].submit(n) for n in range(4)]
    jobs.worker(executor=executor, concurrency=concurrency, poll_interval=0.1).start(max_jobs=8)
    for n in range(4):
        assert queue.get_job(plain[n]).result == [n + 1, True, "plain", True, 1]
        assert queue.get_job(asynchronous[n]).result == [n + 1, True, "async", True, "db"]


def test_startup_and_shutdown_functions_run_once_in_order_and_included_ones_inside(queue, jobs):
    events: list[str] = []
    other = JobApp()

    @jobs.on_startup
    def connect(state) -> None:
        state.db = "db"
        events.append("connect")

    @jobs.on_shutdown
    async def disconnect(state) -> None:
        events.append(f"disconnect {state.db}")

    @other.on_startup
    def warm_up(state) -> None:
        events.append(f"warm up {state.db}")

    @other.on_shutdown
    def cool_down() -> None:
        events.append("cool down")

    @jobs.task
    def work(ctx: JobContext) -> None:
        events.append("work")

    jobs.include(other)
    work.submit()
    work.submit()
    jobs.worker(poll_interval=0.1).start(max_jobs=2)
    assert events == ["connect", "warm up db", "work", "work", "cool down", "disconnect db"]


def _in_thread(worker, max_jobs=None) -> threading.Thread:
    thread = threading.Thread(target=worker.start, args=(max_jobs,), daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_task_learns_that_its_job_was_cancelled(queue, jobs, wrapped):
    started, seen = threading.Event(), []
    if wrapped:
        jobs.middleware(RetryOn(OSError))

    @jobs.task
    def long(ctx: JobContext) -> None:
        started.set()
        until(lambda: ctx.cancelled)
        seen.append("cancelled")
        ctx.raise_if_cancelled()

    job_id = long.submit()
    worker = jobs.worker(poll_interval=0.1)
    thread = _in_thread(worker)
    assert started.wait(10)
    assert queue.cancel_job(job_id)
    until(lambda: seen)
    worker.stop()
    thread.join(10)
    job = queue.get_job(job_id)
    assert (job.status, job.error) == (JobStatus.CANCELLED, "cancelled")


def test_a_tasks_timeout_holds_whoever_submits_it(queue, jobs, run):
    @jobs.task(timeout=0.2, max_retries=0)
    async def slow() -> None:
        await asyncio.sleep(30)

    ids = [slow.submit(), queue.submit_job("slow", max_retries=0), slow.options(timeout=0.1).submit()]
    start = time.monotonic()
    jobs.worker(executor="asyncio", poll_interval=0.1).start(max_jobs=3)
    assert time.monotonic() - start < 20
    assert [queue.get_job(i).error for i in ids] == [
        "timed out after 0.2 s", "timed out after 0.2 s", "timed out after 0.1 s",
    ]  # fmt: skip


def test_rules_go_around_async_tasks_too(queue, jobs):
    jobs.middleware(GiveUpOn(ValueError))

    @jobs.task(max_retries=3)
    async def broken() -> None:
        raise ValueError("hopeless")

    job_id = broken.submit()
    jobs.worker(executor="asyncio", concurrency=2, poll_interval=0.1).start(max_jobs=1)
    job = queue.get_job(job_id)
    assert (job.status, job.attempt, job.error) == (JobStatus.FAILED, 1, "ValueError: hopeless")


def test_a_supervisor_serves_an_application_in_many_processes(queue):
    from tests.supervisor.running import Running
    from tests.tasks.supervised import jobs, where

    with jobs.using_queue(queue):
        running = Running(
            queue.config, "--processes", "2", "--executor", "asyncio", target=f"{__package__}.supervised:jobs"
        )
        try:
            ids = [where.submit() for _ in range(4)]
            until(lambda: all(queue.get_job(i).status.is_terminal for i in ids), 60)
        finally:
            running.send(signal.SIGTERM)
            assert running.ended() == 0
        for job_id in ids:
            prepared, ran = where.result_of(job_id)
            assert prepared == ran != os.getpid()
