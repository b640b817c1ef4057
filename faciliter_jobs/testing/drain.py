"""Runs what a test has submitted, and returns when it is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..handlers import FunctionHandler, JobHandler
from ..job import Job, JobStatus
from ..queue import RedisJobQueue
from ..record import iso
from ..tasks import JobApp
from ..worker import JobWorker
from . import clock

Source = JobApp | JobHandler | Mapping[str, Callable[[Job], Any]]

_LISTED = 10_000  # jobs that a test's queue may hold
_LOOK_EVERY = 0.005  # seconds


def run_worker_until_empty(
    queue: RedisJobQueue, *sources: Source, timeout: float = 10.0, **options: Any
) -> list[Job]:
    """Runs a worker until nothing waits or runs; returns the jobs that finished meanwhile, oldest first.

    sources: applications, JobHandlers, or dicts of job type to function.
    timeout: seconds; then an AssertionError names the jobs that haven't finished.
    options: JobWorker's. Retries don't wait, unless their job or `retry_delay` says so.

    Delayed jobs are waited for; but when a JobClock holds the time still, those that aren't due are
    left: advance it, and call this again. Jobs without a handler are an AssertionError at once.
    """
    options = {"poll_interval": 0.05, "retry_delay": 0, **options}
    worker = JobWorker(queue, **options)
    for source in sources:
        if isinstance(source, JobApp):
            source.register_on(worker)
        else:
            for handler in handlers_of([source]):
                worker.register_handler(handler)
    before = {_stamp(job) for job in _finished(queue)}
    deadline = time.monotonic() + timeout
    while True:
        _run(queue, worker, timeout, deadline)
        # A shutdown function, or a handler that had ended its job itself, may have submitted more.
        if not _busy(queue, worker):
            break
    return [job for job in reversed(_finished(queue)) if _stamp(job) not in before]


def handlers_of(sources: Iterable[Source]) -> list[JobHandler]:
    found: list[JobHandler] = []
    for source in sources:
        if isinstance(source, JobApp):
            found.extend(source.handlers())
        elif isinstance(source, JobHandler):
            found.append(source)
        else:
            found.extend(FunctionHandler(job_type, function) for job_type, function in source.items())
    return found


def _run(queue: RedisJobQueue, worker: JobWorker, timeout: float, deadline: float) -> None:
    """Until the queue is quiet and the worker has ended, with all that its handlers still did."""
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            worker.start()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=serve, name="run_worker_until_empty", daemon=True)
    thread.start()
    try:
        while thread.is_alive() and (_busy(queue, worker) or worker.health().active):
            if time.monotonic() > deadline:
                raise AssertionError(f"not finished after {timeout:g} s: {_unfinished(queue)}")
            time.sleep(_LOOK_EVERY)
    finally:
        worker.stop()
        thread.join(max(0.5, deadline - time.monotonic()))
    if failures:
        raise failures[0]
    if thread.is_alive():
        raise AssertionError(f"not finished after {timeout:g} s: the worker, which should have stopped")


def _busy(queue: RedisJobQueue, worker: JobWorker) -> bool:
    stats = queue.stats(_LISTED)
    if unserved := sorted(stats.waiting.keys() - worker.handlers.keys()):
        raise AssertionError(f"no handler was given for: {', '.join(unserved)}")
    pending = stats.counts[JobStatus.PENDING]
    if stats.counts[JobStatus.PROCESSING] or pending > stats.scheduled:
        return True
    if pending == 0 or not clock.is_set(queue):
        return pending > 0
    now = iso(stats.now_ms)  # of the same form as due_at, so that they compare as text
    return any(job.due_at is None or job.due_at <= now for job in _listed(queue, JobStatus.PENDING))


def _listed(queue: RedisJobQueue, status: JobStatus) -> list[Job]:
    return queue.list_jobs(status, limit=_LISTED)


def _finished(queue: RedisJobQueue) -> list[Job]:
    return [job for job in queue.list_jobs(limit=_LISTED) if job.status.is_terminal]


def _stamp(job: Job) -> tuple[Any, ...]:
    """Tells a job from itself after `retry_job`."""
    return job.job_id, job.status, job.attempt, job.finished_at


def _unfinished(queue: RedisJobQueue) -> str:
    jobs = _listed(queue, JobStatus.PROCESSING) + _listed(queue, JobStatus.PENDING)
    if not jobs:
        return "a handler, which goes on after the end of its job"
    shown = [f"{job.job_id} ({job.job_type}, {job.status.value}, attempt {job.attempt})" for job in jobs[:5]]
    return ", ".join(shown) + (f" and {len(jobs) - 5} more" if len(jobs) > 5 else "")
