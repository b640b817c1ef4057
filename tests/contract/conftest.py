from __future__ import annotations

import pytest

from faciliter_jobs import RedisJobQueue
from tests.support.clock import Clock
from tests.support.contract import Stage


@pytest.fixture
def stage(queue: RedisJobQueue, clock: Clock) -> Stage:
    return Stage(queue, clock)


@pytest.fixture(params=[False, True], ids=["", "scripts flushed"])
def either_stage(request: pytest.FixtureRequest, queue: RedisJobQueue, clock: Clock) -> Stage:
    """As `stage`, and once more on a server that loses its scripts before every call (LESSONS 24)."""
    return Stage(queue, clock, flush=request.param)
