from __future__ import annotations

from dataclasses import replace

import pytest

from faciliter_jobs import RedisJobQueue
from tests.chaos.home import server_options
from tests.support.processes import start_worker
from tests.support.proxy import Proxy
from tests.support.server import ServerProcess


@pytest.fixture
def start(queue):
    """Starts worker processes; those that still run at the end of the test are killed."""
    started = []

    def run(**options):
        process = start_worker(options.pop("queue", queue), **options)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def connect():
    """connect(config, **changes): queues, closed after the test."""
    made = []

    def connect_to(config, **changes):
        queue = RedisJobQueue(replace(config, **changes))
        made.append(queue)
        return queue

    yield connect_to
    for queue in made:
        queue.close()


@pytest.fixture
def proxy(queue):
    with Proxy(queue.config) as made:
        yield made


@pytest.fixture
def new_server():
    """new_server(**options): servers that the test may do anything with."""
    made = []

    def start_one(binary=None, **options):
        process = ServerProcess(binary, **options)
        made.append(process)
        return process

    yield start_one
    for process in made:
        process.stop()


@pytest.fixture
def durable(new_server):
    """A server on which acknowledged is durable."""
    from faciliter_jobs import embedded

    return new_server(**server_options(embedded.find_binary()))
