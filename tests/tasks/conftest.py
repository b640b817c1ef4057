from __future__ import annotations

import pytest

from faciliter_jobs.tasks import JobApp


@pytest.fixture
def jobs(queue):
    return JobApp(queue)


@pytest.fixture
def run(queue, jobs):
    """Runs what is waiting, up to `count` attempts, and returns the last submitted job."""

    def run(job_id, count=1, **options):
        options.setdefault("retry_delay", 0)
        jobs.worker(poll_interval=0.05, **options).start(max_jobs=count)
        return queue.get_job(job_id)

    return run
