"""The pytest plugin: fixtures for tests of code that uses faciliter-jobs.

It stands beside the package, and imports it when a fixture is used: so it costs nothing in test runs
that don't.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from faciliter_jobs import Job, JobConfig, RedisJobQueue
    from faciliter_jobs.testing import JobClock
    from faciliter_jobs.testing.drain import Source


@pytest.fixture(scope="session")
def job_server() -> Iterator[JobConfig]:
    """Where the tests' server is: TEST_REDIS_URL, else an embedded one, which the workers of xdist
    share."""
    from faciliter_jobs.testing import server_for_tests

    with server_for_tests() as config:
        yield config


@pytest.fixture
def job_queue(job_server: JobConfig) -> Iterator[RedisJobQueue]:
    """A real queue with a prefix of its own; the default one while the test runs, and empty after."""
    from faciliter_jobs.testing import fresh_queue, using_queue

    with fresh_queue(job_server) as queue, using_queue(queue):
        yield queue


@pytest.fixture
def job_clock(job_queue: RedisJobQueue) -> JobClock:
    """The time that `job_queue` sees; it stands still until `job_clock.advance(seconds)`."""
    from faciliter_jobs.testing import JobClock

    return JobClock(job_queue)


class RunWorkerUntilEmpty:
    def __init__(self, queue: RedisJobQueue) -> None:
        self._queue = queue

    def __call__(self, *sources: Source, timeout: float = 10.0, **options: Any) -> list[Job]:
        """See `faciliter_jobs.testing.run_worker_until_empty`."""
        from faciliter_jobs.testing import run_worker_until_empty

        return run_worker_until_empty(self._queue, *sources, timeout=timeout, **options)


@pytest.fixture
def run_worker_until_empty(job_queue: RedisJobQueue) -> RunWorkerUntilEmpty:
    """Runs the handlers that it is given until nothing of `job_queue` waits or runs; returns the jobs
    that have finished."""
    return RunWorkerUntilEmpty(job_queue)
