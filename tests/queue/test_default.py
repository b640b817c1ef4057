"""default.py: which queue the module's functions use."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from faciliter_jobs import (
    JobWorker,
    RedisJobQueue,
    get_job_queue,
    get_job_status,
    list_jobs,
    set_job_queue,
    submit_job,
    update_job_progress,
)
from faciliter_jobs.errors import QueueUnavailableError
from faciliter_jobs.testing import using_queue
from tests.support.wait import until


@pytest.fixture
def environment(make_queue: Callable[..., RedisJobQueue], nothing_set, monkeypatch) -> RedisJobQueue:
    """A queue that the environment names."""
    queue = make_queue()
    monkeypatch.setenv("JOB_QUEUE_URL", queue.config.location)
    monkeypatch.setenv("JOB_QUEUE_PREFIX", queue.config.prefix)
    return queue


def _handler(job):
    return {"seen": get_job_status(job.job_id) is not None, "ok": update_job_progress(job.job_id, 50)}


def test_within_a_handler_it_is_the_worker_s_whoever_used_the_environment_s_before(
    make_queue, environment, run_worker
):
    its_own = make_queue()
    run_worker({"t": _handler}, job_queue=its_own)
    for _ in range(2):
        job_id = its_own.submit_job("t")
        assert until(lambda job=job_id: its_own.get_job_result(job)) == {"seen": True, "ok": True}
        assert list_jobs() == []


def test_a_queue_that_was_set_goes_before_the_worker_s(make_queue, run_worker):
    its_own, chosen = make_queue(), make_queue()
    run_worker({"t": _handler}, job_queue=its_own)
    set_job_queue(chosen)
    job_id = its_own.submit_job("t")
    assert until(lambda: its_own.get_job_result(job_id)) == {"seen": False, "ok": False}


def test_the_environment_s_is_made_once_and_is_there_again_after_another_was_used(environment, make_queue):
    made = get_job_queue()
    assert made.config.prefix == environment.config.prefix
    with using_queue(make_queue()):
        assert get_job_queue() is not made
    assert get_job_queue() is made
    worker = JobWorker()
    assert worker.job_queue is made


@pytest.fixture
def silent(nothing_set, monkeypatch) -> Iterator[None]:
    """The environment names a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        monkeypatch.setenv("JOB_QUEUE_URL", f"redis://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("JOB_QUEUE_SOCKET_TIMEOUT", "0.5")
        yield


def _fails() -> None:
    with pytest.raises(QueueUnavailableError):
        submit_job("t")


def test_threads_don_t_wait_for_each_other_s_timeouts(silent):
    began = time.monotonic()
    _fails()
    alone = time.monotonic() - began
    threads = [threading.Thread(target=_fails) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 3 * alone


def test_a_process_forked_while_another_thread_connects_goes_on(silent):
    thread = threading.Thread(target=_fails)
    thread.start()
    time.sleep(0.1)
    child = os.fork()
    if child == 0:
        try:
            _fails()
        finally:
            os._exit(0)
    try:
        until(lambda: os.waitpid(child, os.WNOHANG) != (0, 0), timeout=10)
    except AssertionError:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        thread.join()
