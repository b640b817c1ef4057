from __future__ import annotations

from typing import Any

import pytest

from tests.support.wait import until


class Looks:
    """What a test of workers asks of a queue, again and again."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def finished(self, job_id: str, timeout: float = 20.0) -> Any:
        def look() -> Any:
            job = self._queue.get_job(job_id)
            return job if job.status.is_terminal else None

        return until(look, timeout)

    def entered(self, job_id: str, timeout: float = 20.0) -> str:
        """The handler has said something by update_job_progress."""
        return until(lambda: self._queue.get_job(job_id).progress_message, timeout)


@pytest.fixture
def looks(queue: Any) -> Looks:
    return Looks(queue)


@pytest.fixture(params=["thread", "process", "asyncio"])
def executor(request: pytest.FixtureRequest) -> Any:
    return request.param
