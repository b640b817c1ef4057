"""What a worker says when it leaves."""

from __future__ import annotations

import logging

import pytest

from faciliter_jobs.worker.calls import say_farewell


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ([], []),
        (["a"], ["worker w gave back 1 job"]),
        (["a", "b"], ["worker w gave back 2 jobs"]),
    ],
)
def test_a_worker_that_leaves_says_how_many_jobs_it_gave_back(caplog, jobs, said):
    caplog.set_level(logging.INFO, logger="faciliter_jobs")
    say_farewell("w", lambda: None, lambda: jobs)
    assert caplog.messages == said
