"""Workers of several slots and a server that goes away, forgets scripts, or whose replies get lost."""

from __future__ import annotations

import threading
import time

import pytest

from faciliter_jobs import JobStatus, JobWorker, RedisJobQueue
from tests.support.proxy import Proxy
from tests.support.server import ServerProcess
from tests.support.wait import until


class Runs:
    """Counts attempts beyond the reach of what goes wrong with the server."""

    def __init__(self):
        self._lock = threading.Lock()
        self.counts = {}

    def note(self, job):
        with self._lock:
            self.counts[job.job_id, job.attempt] = self.counts.get((job.job_id, job.attempt), 0) + 1

    def twice(self):
        """The attempts that were run twice under one token."""
        return [attempt for attempt, count in self.counts.items() if count > 1]


@pytest.fixture
def serve():
    started = []

    def run(queue, function, **options):
        worker = JobWorker(queue, poll_interval=0.1, retry_delay=0, **options)
        worker.register_function_handler("t", function)
        thread = threading.Thread(target=worker.start, daemon=True)
        thread.start()
        started.append((worker, thread))
        return worker

    yield run
    for worker, _ in started:
        worker.stop()
    for _, thread in started:
        thread.join(timeout=20)
        assert not thread.is_alive()


def _all_completed(queue, number):
    return queue.stats().counts[JobStatus.COMPLETED] == number


@pytest.mark.parametrize("executor", ["thread", "asyncio"])
def test_lost_replies_lose_no_job_and_run_no_attempt_twice(queue, serve, executor):
    """LESSONS 1: claims, reports, parks and adoptions, each may be carried out unseen."""
    runs, proxy = Runs(), Proxy(queue.config)
    behind = RedisJobQueue(proxy.config)

    def handle(job):
        runs.note(job)
        time.sleep(0.001)
        return {}

    proxy.drop_some(0.15, seed=7)
    worker = serve(behind, handle, executor=executor, concurrency=4, lease=5)
    total = 0
    for _ in range(15):
        queue.submit_jobs([{"job_type": "t"}] * 8)  # some are handed over, some claimed
        total += 8
        time.sleep(0.03)
    until(lambda: _all_completed(queue, total), 60)
    assert proxy.dropped > 10
    proxy.drop_some(0)
    assert runs.twice() == [] and queue.doctor() == []
    worker.stop()
    until(lambda: not worker.is_running())
    behind.close()
    proxy.close()


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_killed_connections_and_flushed_scripts_lose_nothing(queue, server, serve, executor):
    """LESSONS 21, 24."""

    def handle(job):
        time.sleep(0.002)
        return {}

    serve(queue, handle, executor=executor, concurrency=3)
    queue.submit_jobs([{"job_type": "t"}] * 200)
    client = server.client()

    def all_done():
        client.client_kill_filter(_type="normal", skipme=True)
        client.script_flush()
        time.sleep(0.05)
        return _all_completed(queue, 200)

    until(all_done, 60)
    assert queue.doctor() == []


@pytest.fixture
def lasting_server():
    process = ServerProcess(appendonly="yes", appendfsync="always")
    yield process
    process.stop()


def test_a_server_that_is_killed_and_comes_back(lasting_server, serve):
    """LESSONS 21: what had ended meanwhile is reported then, and nothing runs for ever."""
    queue = RedisJobQueue(lasting_server.config)
    queue.connect()

    def handle(job):
        time.sleep(1 if job.input_data else 0)
        return {}

    worker = serve(queue, handle, concurrency=2, lease=5)
    queue.submit_jobs([{"job_type": "t", "input_data": {"long": True}}] * 2 + [{"job_type": "t"}] * 2)
    until(lambda: worker.health().active == 2)
    lasting_server.kill()
    until(lambda: not worker.health().connected)
    until(lambda: worker.health().active == 0)
    assert worker.health().turned_ago < 10
    lasting_server.start()
    until(lambda: _all_completed(queue, 4), 30)
    until(lambda: worker.health().connected)
    assert queue.doctor() == []
    worker.stop()
    until(lambda: not worker.is_running())
    queue.close()


def test_while_the_server_is_away_a_worker_can_be_stopped(own_server, serve):
    queue = RedisJobQueue(own_server.config)
    queue.connect()
    entered = threading.Event()

    def handle(job):
        entered.set()
        time.sleep(0.2)
        return {}

    worker = serve(queue, handle, concurrency=2)
    queue.submit_job("t")
    assert entered.wait(10)
    own_server.kill()
    worker.stop()
    until(lambda: not worker.is_running(), 30)
    queue.close()
