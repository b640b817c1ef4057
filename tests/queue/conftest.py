"""`queue_class` and `either_queue` run a test over both queues, the threaded and the asyncio one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from faciliter_jobs import RedisJobQueue
from tests.support.blocking import BlockingQueue


@pytest.fixture(params=[RedisJobQueue, BlockingQueue], ids=["", "asyncio"])
def queue_class(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def make_either(queue_class: Any, make_queue: Callable[..., RedisJobQueue]) -> Iterator[Callable[..., Any]]:
    """As `make_queue`."""
    made: list[Any] = []

    def make(**config: Any) -> Any:
        queue = make_queue(**config)
        if queue_class is not RedisJobQueue:
            queue = queue_class(replace(queue.config))
            queue.connect()
            made.append(queue)
        return queue

    yield make
    for queue in made:
        queue.close()


@pytest.fixture
def either_queue(make_either: Callable[..., Any]) -> Any:
    return make_either()


@pytest.fixture
def background() -> Iterator[Callable[..., Future[Any]]]:
    """Calls a function in a thread."""
    with ThreadPoolExecutor(8) as pool:
        yield pool.submit
