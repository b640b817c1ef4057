from __future__ import annotations

import gc
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from faciliter_jobs import JobWorker, RedisJobQueue, set_job_queue
from tests.support.clock import Clock
from tests.support.server import Server, ServerProcess, find_server

_server: Server | None = None


def _the_server() -> Server:
    global _server
    if _server is None:
        _server = find_server()
    return _server


def pytest_report_header(config: pytest.Config) -> str:
    server = _the_server()
    info: Any = server.client().info("server")
    version = info.get("valkey_version") or info["redis_version"]
    name = "Valkey" if "valkey_version" in info else "Redis"
    return f"server: {name} {version} ({server.description})"


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server is not None:
        _server.stop()


@pytest.fixture(scope="session")
def server() -> Server:
    return _the_server()


@pytest.fixture(autouse=True, scope="module")
def no_task_fails_unseen() -> Iterator[None]:
    """asyncio logs what nobody asked a task for whenever the task is collected: in any later test.

    Of futures only tasks count: a stream asks its own, of a connection that broke, when it is collected, and
    may be so after that one.
    """
    unseen: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("Task "):
                unseen.append(record.getMessage())

    handler = Handler(logging.ERROR)
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    yield
    gc.collect()
    logger.removeHandler(handler)
    assert not unseen, unseen


@pytest.fixture
def make_queue(server: Server) -> Iterator[Callable[..., RedisJobQueue]]:
    """Queues with a prefix of their own each (or the one given), deleted after the test."""
    made: list[RedisJobQueue] = []

    def make(**config: Any) -> RedisJobQueue:
        config.setdefault("prefix", f"test-{uuid.uuid4().hex[:12]}:")
        queue = RedisJobQueue(replace(server.config, **config))
        queue.connect()
        made.append(queue)
        return queue

    yield make
    client = server.client()
    for queue in made:
        queue.close()
        keys = list(client.scan_iter(match=queue.tag + "*", count=1000))
        for first in range(0, len(keys), 1000):
            client.unlink(*keys[first : first + 1000])
    client.close()


@pytest.fixture
def queue(make_queue: Callable[..., RedisJobQueue]) -> RedisJobQueue:
    return make_queue()


@pytest.fixture
def clock(queue: RedisJobQueue) -> Clock:
    """Sets the time that the scripts of `queue` see; it stands still until `advance`."""
    return Clock(queue)


@pytest.fixture
def default_queue(queue: RedisJobQueue) -> Iterator[RedisJobQueue]:
    """`queue`, as the one that the module-level functions use."""
    set_job_queue(queue)
    yield queue
    set_job_queue(None)


@pytest.fixture
def nothing_set() -> Iterator[None]:
    """The module-level functions use what the environment names, made anew."""
    set_job_queue(None)
    yield
    set_job_queue(None)


@pytest.fixture
def own_server() -> Iterator[ServerProcess]:
    """A server that the test may stop, kill and configure."""
    process = ServerProcess()
    yield process
    process.stop()


@pytest.fixture
def run_worker(queue: RedisJobQueue) -> Iterator[Callable[..., JobWorker]]:
    """Starts a JobWorker in a thread: run_worker({"type": function}, **JobWorker arguments)."""
    started: list[tuple[JobWorker, threading.Thread]] = []

    def run(handlers: dict[str, Callable[..., Any]], **options: Any) -> JobWorker:
        options.setdefault("poll_interval", 0.1)
        options.setdefault("retry_delay", 0.01)
        max_jobs = options.pop("max_jobs", None)
        worker = JobWorker(options.pop("job_queue", queue), **options)
        for job_type, function in handlers.items():
            worker.register_function_handler(job_type, function)
        thread = threading.Thread(target=worker.start, args=(max_jobs,), daemon=True)
        thread.start()
        started.append((worker, thread))
        return worker

    yield run
    for worker, _ in started:
        worker.stop()
    for _, thread in started:
        thread.join(timeout=10)
        assert not thread.is_alive(), "a worker did not stop within 10 s"
