"""Waiting for a job to end, over both queues."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import replace
from typing import Any

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue, aio_notices, notices, results
from faciliter_jobs.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    JobEndedError,
    JobFailedError,
    JobNotFoundError,
    JobWasCancelledError,
    QueueUnavailableError,
    UndecodableError,
    WaitTimeoutError,
)
from faciliter_jobs.operations import Operations
from tests.support.proxy import Proxy
from tests.support.server import client_of
from tests.support.wait import until
from tests.support.waiters import until_waited_for


@pytest.fixture
def queue(either_queue: Any) -> Any:
    return either_queue


# --- how a job may end ----------------------------------------------------------------------------


def test_the_result_of_a_job_that_has_completed(queue):
    job_id = queue.submit_job("t")
    queue.complete_job(job_id, {"n": 1})
    assert queue.wait_for_result(job_id) == {"n": 1}
    assert queue.wait_for_job(job_id).job_id == job_id


def test_a_job_that_completes_while_somebody_waits(queue, background):
    job_id = queue.submit_job("t")
    waited = background(queue.wait_for_result, job_id, 30)
    until_waited_for(queue, job_id)
    queue.complete_job(job_id, {"n": 1})
    assert waited.result(2) == {"n": 1}


def test_a_job_that_fails_raises_its_error_with_the_traceback(queue, run_worker, make_queue):
    def broken(job: Any) -> None:
        raise ValueError("no such column")

    worker_queue = make_queue(prefix=queue.config.prefix)
    run_worker({"t": broken}, job_queue=worker_queue, max_retries=0)
    with pytest.raises(JobFailedError, match=r"job .* failed: .*no such column") as raised:
        queue.wait_for_result(queue.submit_job("t"), 30)
    assert "no such column" in raised.value.error
    assert "in broken" in raised.value.traceback
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.traceback) == (str(raised.value), raised.value.traceback)


def test_a_job_that_is_cancelled_raises_that(queue, background):
    job_id = queue.submit_job("t")
    waited = background(queue.wait_for_result, job_id, 30)
    until_waited_for(queue, job_id)
    queue.cancel(job_id, "not needed")
    with pytest.raises(JobWasCancelledError, match="was cancelled: not needed") as raised:
        waited.result(2)
    assert isinstance(raised.value, JobEndedError) and raised.value.job_id == job_id
    assert queue.wait_for_job(job_id).status is JobStatus.CANCELLED


def test_an_unknown_job_is_an_error_at_once(queue):
    with pytest.raises(JobNotFoundError, match=r"no such job \(any more\): job nobody"):
        queue.wait_for_result("nobody", 30)


def test_a_job_that_does_not_end_in_time_is_a_timeout(queue):
    job_id = queue.submit_job("t")
    for timeout in (0, 0.2):
        begun = time.monotonic()
        with pytest.raises(WaitTimeoutError, match=f"not ended within {timeout:g} s: job {job_id}") as raised:
            queue.wait_for_result(job_id, timeout)
        assert isinstance(raised.value, TimeoutError)
        assert timeout <= time.monotonic() - begun < timeout + 2
    queue.complete_job(job_id, {"n": 1})
    assert queue.wait_for_result(job_id, 0) == {"n": 1}


@pytest.mark.parametrize(
    ("job_id", "timeout", "error", "named"),
    [
        ("", 1, InvalidArgumentError, "job_id: must not be empty"),
        (7, 1, InvalidTypeError, "job_id: expected a string"),
        ("x", -1, InvalidArgumentError, "timeout: -1 is outside"),
        ("x", "1", InvalidTypeError, "timeout: expected seconds"),
    ],
)
def test_what_cannot_be_waited_for_is_named(queue, job_id, timeout, error, named):
    with pytest.raises(error, match=named):
        queue.wait_for_result(job_id, timeout)


def test_a_failure_with_retries_left_is_not_the_end(queue, background):
    job_id = queue.submit_job("t", max_retries=1)
    waited = background(queue.wait_for_result, job_id, 30)
    until_waited_for(queue, job_id)
    queue.get_pending_job()
    queue.fail(job_id, "try again", retry_delay=0)
    assert not wait([waited], 0.2).done
    queue.complete_job(job_id, {"n": 2})
    assert waited.result(2) == {"n": 2}


def test_a_job_that_is_purged_while_somebody_waits_is_found_to_be_gone(queue, background, monkeypatch):
    """Its end is heard; but if the message is lost and the record purged, a later look finds nothing."""
    monkeypatch.setattr(results, "LOOK_EVERY", 0.2)
    monkeypatch.setattr(aio_notices, "LOOK_EVERY", 0.2)
    job_id = queue.submit_job("t")
    waited = background(queue.wait_for_result, job_id, 30)
    until_waited_for(queue, job_id)
    client = client_of(queue.config)
    client.delete(queue.tag + "waited")  # so that nothing is announced
    queue.complete_job(job_id)
    assert queue.cleanup_old_jobs(0) == 1
    with pytest.raises(JobNotFoundError):
        waited.result(5)


def test_a_job_whose_end_is_not_heard_of_is_found_when_time_is_up(queue, background):
    job_id = queue.submit_job("t")
    waited = background(queue.wait_for_result, job_id, 1)
    until_waited_for(queue, job_id)
    client_of(queue.config).delete(queue.tag + "waited")  # so that nothing is announced
    queue.complete_job(job_id, {"n": 1})
    assert waited.result(5) == {"n": 1}


def test_a_job_that_expires_while_somebody_waits_was_cancelled(queue, background):
    job_id = queue.submit_job("t", ttl=0.3)
    waited = background(queue.wait_for_result, job_id, 30)
    until_waited_for(queue, job_id)
    until(lambda: queue.cleanup_old_jobs(3600) or queue.get_job(job_id).status is JobStatus.CANCELLED)
    with pytest.raises(JobWasCancelledError, match="expired before it started"):
        waited.result(2)


def test_a_damaged_result_is_an_error(queue):
    """LESSONS 41."""
    job_id = queue.submit_job("t")
    queue.complete_job(job_id, {"n": 1})
    client_of(queue.config).hset(f"{queue.tag}job:{job_id}", "result", b"\xc1")
    with pytest.raises(UndecodableError):
        queue.wait_for_result(job_id, 5)
    (job,) = queue.as_completed([job_id], 5)
    assert "result" in job.error


# --- between the look and the wait ----------------------------------------------------------------


STEPS = ["before it begins", "before the subscription", "between subscription and look", "after the look"]


@pytest.mark.parametrize("step", STEPS)
def test_whenever_the_job_ends_the_waiter_hears_of_it(queue, make_queue, monkeypatch, step):
    other = make_queue(prefix=queue.config.prefix)
    job_id = other.submit_job("t")
    reached: list[str] = []

    def reach(place: str) -> None:
        reached.append(place)
        if place == step and reached.count(place) == 1:
            assert other.complete_job(job_id, {"n": 1})

    look, subscribe = Operations.ended, notices.Notices.__init__
    subscribe_async = aio_notices.AsyncNotices._subscribe

    def looking(*args: Any) -> Any:
        follows = "between subscription and look" in reached
        found = yield from look(*args)
        reach("after the look" if follows else "after a first look")
        return found

    def subscribing(*args: Any) -> None:
        reach("before the subscription")
        subscribe(*args)
        reach("between subscription and look")

    async def subscribing_async(*args: Any) -> None:
        reach("before the subscription")
        await subscribe_async(*args)
        reach("between subscription and look")

    monkeypatch.setattr(Operations, "ended", looking)
    monkeypatch.setattr(notices.Notices, "__init__", subscribing)
    monkeypatch.setattr(aio_notices.AsyncNotices, "_subscribe", subscribing_async)
    reach("before it begins")
    begun = time.monotonic()
    assert queue.wait_for_result(job_id, 15) == {"n": 1}
    assert step in reached
    assert time.monotonic() - begun < 10, "not by a look at the last moment, nor by that after 20 s"


def test_jobs_that_end_at_random_moments_around_the_wait(queue, background):
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(200)])
    ending = background(lambda: [queue.complete_job(job_id, {"id": job_id}) for job_id in ids])
    assert [queue.wait_for_result(job_id, 20)["id"] for job_id in ids] == ids
    ending.result()


# --- faults ---------------------------------------------------------------------------------------

FAULTS: dict[str, Callable[[Any], None]] = {
    "scripts flushed": lambda client: client.script_flush(),
    "connections killed": lambda client: (
        client.client_kill_filter(_type="pubsub"),
        client.client_kill_filter(_type="normal", skipme=True),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_waiter_survives(queue, background, name):
    """LESSONS 21, 24."""
    job_id = queue.submit_job("t")
    waited = background(queue.wait_for_result, job_id, 30)
    for _ in range(3):
        until_waited_for(queue, job_id)
        FAULTS[name](client_of(queue.config))
    until_waited_for(queue, job_id)
    queue.complete_job(job_id, {"n": 1})
    assert waited.result(5) == {"n": 1}


@pytest.mark.parametrize("while_down", [False, True], ids=["ends after it", "ended when it is back"])
def test_a_waiter_survives_a_restart_of_the_server(own_server, queue_class, background, while_down):
    """LESSONS 21."""
    client = own_server.client()
    client.config_set("appendonly", "yes")
    client.config_set("appendfsync", "always")
    until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
    own_server.options.update(appendonly="yes", appendfsync="always")
    with queue_class(replace(own_server.config)) as queue, RedisJobQueue(own_server.config) as other:
        job_id = queue.submit_job("t")
        waited = background(queue.wait_for_result, job_id, 60)
        until_waited_for(queue, job_id)
        if while_down:
            own_server.client().delete(queue.tag + "waited")
            other.complete_job(job_id, {"n": 1})
        own_server.kill()
        time.sleep(0.5)
        own_server.start()
        if not while_down:
            until(lambda: other.complete_job(job_id, {"n": 1}))
        assert waited.result(20) == {"n": 1}


def test_a_server_that_cannot_be_reached_at_the_start_is_named(queue, queue_class):
    with Proxy(queue.config) as proxy:
        lost = queue_class(replace(proxy.config, retry_on_timeout=False, socket_timeout=1))
        proxy.refuse()
        with pytest.raises(QueueUnavailableError):
            lost.wait_for_result("x", 5)
        lost.close()


def test_a_half_open_connection_is_noticed_and_made_anew(queue, queue_class, background, monkeypatch):
    """LESSONS 23."""
    monkeypatch.setattr(results, "LOOK_EVERY", 0.3)
    monkeypatch.setattr(aio_notices, "LOOK_EVERY", 0.3)
    with Proxy(queue.config) as proxy, queue_class(replace(proxy.config, socket_timeout=0.5)) as behind:
        job_id = queue.submit_job("t")
        waited = background(behind.wait_for_result, job_id, 30)
        until_waited_for(queue, job_id)
        proxy.hold()
        queue.complete_job(job_id, {"n": 1})
        time.sleep(1.5)
        proxy.release()
        assert waited.result(10) == {"n": 1}


def test_a_server_that_takes_connections_and_is_silent_is_named(queue, queue_class, background):
    with Proxy(queue.config) as proxy:
        job_id = queue.submit_job("t")
        proxy.hold()
        behind = queue_class(replace(proxy.config, socket_timeout=0.2, retry_on_timeout=False))
        waited = background(behind.wait_for_job, job_id)
        with pytest.raises(QueueUnavailableError):
            waited.result(20)
        proxy.release()
        behind.close()


def test_a_timeout_holds_through_an_outage(queue, queue_class, background):
    with Proxy(queue.config) as proxy, queue_class(replace(proxy.config, socket_timeout=1)) as behind:
        job_id = queue.submit_job("t")
        waited = background(behind.wait_for_result, job_id, 1.5)
        until_waited_for(queue, job_id)
        proxy.refuse()
        proxy.cut()
        with pytest.raises(WaitTimeoutError):
            waited.result(10)
        proxy.accept()
