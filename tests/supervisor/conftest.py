from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from faciliter_jobs import RedisJobQueue
from tests.supervisor.running import Running


@pytest.fixture
def run(queue: RedisJobQueue) -> Iterator[Callable[..., Running]]:
    """Starts `faciliter-jobs worker` on `queue`, with its health endpoints on some free port."""
    started: list[Running] = []

    def start(*options: str, **named: Any) -> Running:
        config = named.pop("config", queue.config)
        running = Running(config, "--health-port", "0", *options, **named)
        started.append(running)
        return running

    yield start
    for running in started:
        running.clear_away()
