"""A worker that starts before its server, seen from within its process."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest

from faciliter_jobs import JobConfig, JobWorker, RedisJobQueue, get_job_queue, submit_job
from faciliter_jobs.errors import QueueRefusedError, QueueUnavailableError
from tests.support.server import free_port
from tests.support.wait import until


@pytest.fixture
def start():
    """Starts a worker in a thread; what it raises is in the list that is returned."""
    started = []

    def start(worker):
        raised = []

        def run():
            try:
                worker.start()
            except Exception as error:
                raised.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        started.append((worker, thread))
        return raised

    yield start
    for worker, thread in started:
        worker.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_worker_s_server_may_come_later(own_server, start, executor, concurrency, caplog):
    """Its startup functions run when the server is there: they may need it."""
    caplog.set_level(logging.INFO, logger="faciliter_jobs.worker")
    own_server.kill()
    queue = RedisJobQueue(own_server.config)
    worker = JobWorker(queue, executor=executor, concurrency=concurrency, poll_interval=0.1)
    worker.register_function_handler("t", lambda job: {"n": 1})
    submitted = []
    if executor != "process":  # there it runs once in each process
        worker.on_startup(lambda: submitted.append(queue.submit_job("t")))
    start(worker)
    until(lambda: "waits for its server" in caplog.text)
    health = worker.health()
    assert (health.running, health.connected, health.turned_ago, submitted) == (True, False, 0.0, [])
    own_server.start()
    until(lambda: worker.health().connected)
    job_id = submitted[0] if submitted else queue.submit_job("t")
    until(lambda: queue.get_job_result(job_id) == {"n": 1})
    assert caplog.text.count("WARNING") == 1 and "has found its server" in caplog.text
    worker.stop()
    until(lambda: not worker.is_running())
    queue.close()


@pytest.mark.parametrize("executor", ["thread", "process", "asyncio"])
def test_a_worker_that_waits_can_be_stopped_and_started_again(own_server, start, executor):
    own_server.kill()
    worker = JobWorker(RedisJobQueue(own_server.config), executor=executor)
    worker.register_function_handler("t", lambda job: {})
    for _ in range(2):
        start(worker)
        until(worker.is_running)
        worker.stop()
        until(lambda: not worker.is_running())


def test_who_submits_is_told_at_once_also_when_a_worker_was_made_before(own_server, nothing_set, monkeypatch):
    monkeypatch.setenv("JOB_QUEUE_URL", own_server.config.location)
    own_server.kill()
    for _ in range(2):
        with pytest.raises(QueueUnavailableError, match="can't reach"):
            get_job_queue()
    worker = JobWorker()
    for _ in range(2):
        with pytest.raises(QueueUnavailableError, match="can't reach"):
            submit_job("t")
    own_server.start()
    assert get_job_queue() is worker.job_queue and worker.job_queue.connected
    worker.job_queue.close()


def test_a_worker_that_nobody_told_where_its_server_is_says_how(nothing_set, start, monkeypatch, caplog):
    for name in ("URL", "HOST", "PORT"):
        monkeypatch.delenv(f"JOB_QUEUE_{name}", raising=False)
        monkeypatch.delenv(f"REDIS_{name}", raising=False)
    monkeypatch.setattr(JobConfig, "from_env", lambda: JobConfig(port=free_port()))
    worker = JobWorker()
    worker.register_function_handler("t", lambda job: {})
    start(worker)
    until(lambda: "Set JOB_QUEUE_URL to your server, or to embedded://" in caplog.text)


def test_a_worker_that_its_server_refuses_raises(own_server, start):
    own_server.client().config_set("requirepass", "right")
    worker = JobWorker(RedisJobQueue(replace(own_server.config, password="wrong")))
    worker.register_function_handler("t", lambda job: {})
    raised = start(worker)
    until(lambda: raised)
    assert isinstance(raised[0], QueueRefusedError)
