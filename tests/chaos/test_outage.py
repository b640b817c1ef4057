"""Clients while their server is away: for seconds, and for half a minute by `make chaos`."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue
from faciliter_jobs.errors import QueueTimeoutError, QueueUnavailableError
from tests.support.proxy import Proxy
from tests.support.wait import until

_HALF_A_MINUTE = [
    pytest.mark.slow,
    pytest.mark.skipif("FJ_LONG_OUTAGE" not in os.environ, reason="`make chaos` runs it"),
]
OUTAGES = [pytest.param(2.5, id="2.5s"), pytest.param(30.0, id="30s", marks=_HALF_A_MINUTE)]


@pytest.fixture
def proxy(queue):
    with Proxy(queue.config) as made:
        yield made


@pytest.fixture
def behind(proxy):
    """Makes queues behind the proxy."""
    made = []

    def make(**config):
        queue = RedisJobQueue(replace(proxy.config, **config))
        made.append(queue)
        return queue

    yield make
    for queue in made:
        queue.close()


def _completed(queue):
    return queue.stats().counts[JobStatus.COMPLETED]


# --- workers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outage", OUTAGES)
def test_workers_of_a_server_that_is_away_try_again_ever_more_seldom_and_come_back(
    queue, proxy, behind, run_worker, caplog, outage
):
    """LESSONS 21: no exit, no storm of connections, one line in the log for each change of state."""
    caplog.set_level(logging.INFO, logger="faciliter_jobs.worker")
    workers = [
        run_worker(
            {"t": lambda job: None}, job_queue=behind(retry_on_timeout=True), poll_interval=0.5, name=name
        )
        for name in ("one", "two", "three")
    ]
    until(lambda: queue.stats().parked == 3)
    begun = time.monotonic()
    proxy.refuse()
    proxy.cut()
    until(lambda: time.monotonic() > begun + outage, timeout=outage + 10, every=0.05)
    tries = len([t for t in proxy.attempts if t > begun])
    proxy.accept()
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(200)])
    until(lambda: _completed(queue) == len(ids), timeout=20)
    until(lambda: sum("is connected again" in m for m in caplog.messages) == 3, timeout=20)
    assert all(worker.is_running() for worker in workers)
    # Of each worker: pauses double from 0.05 s to 5 s, a heartbeat now and then, with two re-sends each.
    assert tries <= 3 * (15 + outage), tries
    for name in ("one", "two", "three"):
        assert sum(f"worker {name} has lost its server" in m for m in caplog.messages) == 1
        assert sum(f"worker {name} is connected again" in m for m in caplog.messages) == 1
    assert queue.doctor() == []


def test_the_tries_of_many_workers_are_spread(queue, proxy, behind, run_worker):
    """Jitter: a server that comes back isn't met by all of its clients at once."""
    for _ in range(6):
        run_worker({"t": lambda job: None}, job_queue=behind(), poll_interval=5)
    until(lambda: queue.stats().parked == 6)
    proxy.refuse()
    begun = time.monotonic()
    proxy.cut()
    until(lambda: time.monotonic() > begun + 3, timeout=10)
    late = [t for t in proxy.attempts if t > begun + 1]
    assert len(late) >= 6
    proxy.accept()
    tenths = [sum(begun + n / 10 <= t < begun + (n + 1) / 10 for t in late) for n in range(10, 30)]
    assert max(tenths) <= len(late) * 0.6, tenths


def test_a_worker_that_starts_before_its_server_waits_for_it(queue, proxy, behind, run_worker):
    proxy.refuse()
    worker = run_worker({"t": lambda job: None}, job_queue=behind(retry_on_timeout=True), lease=1)
    job_id = queue.submit_job("t")
    until(lambda: len(proxy.attempts) >= 4)
    assert worker.is_running()
    proxy.accept()
    until(lambda: queue.get_job(job_id).status is JobStatus.COMPLETED)
    until(lambda: len(queue.stats().workers) == 1, timeout=20)  # with the next heartbeat


def test_a_handler_that_outlasts_an_outage_commits_once_after_it(queue, proxy, behind, run_worker):
    """The lease is longer than the outage: nobody else gets the job."""
    entered, go_on = threading.Event(), threading.Event()
    ran = []

    def handle(job):
        ran.append(job.job_id)
        entered.set()
        assert go_on.wait(20)
        return {"n": 1}

    run_worker({"t": handle}, job_queue=behind(retry_on_timeout=True), lease=30)
    job_id = queue.submit_job("t")
    assert entered.wait(10)
    proxy.refuse()
    proxy.cut()
    go_on.set()
    time.sleep(1)
    assert queue.get_job(job_id).status is JobStatus.PROCESSING
    proxy.accept()
    until(lambda: queue.get_job(job_id).status is JobStatus.COMPLETED, timeout=20)
    assert ran == [job_id] and queue.get_job(job_id).attempt == 1


# --- producers and readers ------------------------------------------------------------------------

CALLS = {
    "submit_job": lambda q: q.submit_job("t"),
    "submit_jobs": lambda q: q.submit_jobs([{"job_type": "t"}]),
    "get_job": lambda q: q.get_job("some"),
    "list_jobs": lambda q: q.list_jobs(),
    "stats": lambda q: q.stats(),
    "complete_job": lambda q: q.complete_job("some"),
    "fail_job": lambda q: q.fail_job("some", "broken"),
    "cancel_job": lambda q: q.cancel_job("some"),
    "retry_job": lambda q: q.retry_job("some"),
    "update_job_progress": lambda q: q.update_job_progress("some", 1),
    "get_pending_job": lambda q: q.get_pending_job(),
    "cleanup_old_jobs": lambda q: q.cleanup_old_jobs(),
    "connect": lambda q: q.connect(),
}


@pytest.mark.parametrize("resends", [False, True], ids=["timid", "resending"])
@pytest.mark.parametrize("call", CALLS)
def test_every_call_raises_a_typed_error_at_once_when_the_server_refuses(proxy, behind, call, resends):
    proxy.refuse()
    begun = time.monotonic()
    with pytest.raises(QueueUnavailableError, match="can't reach redis://127"):
        CALLS[call](behind(retry_on_timeout=resends, socket_timeout=5))
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("resends", [False, True], ids=["timid", "resending"])
@pytest.mark.parametrize("call", ["submit_job", "get_job", "cancel_job"])
def test_a_call_that_gets_no_answer_raises_within_the_timeout_for_each_try(proxy, behind, call, resends):
    """Half-open: the connection stands, and nothing comes through. With retry_on_timeout it is sent
    three times at most."""
    queue = behind(retry_on_timeout=resends, socket_timeout=0.3)
    queue.connect()
    proxy.hold()
    begun = time.monotonic()
    with pytest.raises(QueueTimeoutError):
        CALLS[call](queue)
    assert 0.3 <= time.monotonic() - begun < (3 if resends else 1) * 0.3 + 1
    proxy.release()


@pytest.mark.parametrize("outage", OUTAGES)
def test_what_producers_submit_again_until_it_is_acknowledged_is_there_once(queue, proxy, behind, outage):
    """With ids of their own, through an outage and lost replies; also without retry_on_timeout."""
    proxy.drop_some(0.1, seed=3)
    stop = threading.Event()
    acknowledged: list[str] = []
    told: list[int] = []

    def produce(name, resends):
        mine = behind(retry_on_timeout=resends, socket_timeout=1)
        number = 0
        while not stop.is_set():
            job_id = f"{name}-{number}"
            try:
                mine.submit_job("t", {"n": number}, job_id=job_id)
            except QueueUnavailableError:
                told.append(1)
                time.sleep(0.02)
                continue
            acknowledged.append(job_id)
            number += 1

    threads = [threading.Thread(target=produce, args=(f"p{n}", bool(n % 2)), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) > 50)
    proxy.refuse()
    proxy.cut()
    time.sleep(outage)
    proxy.accept()
    seen = len(acknowledged)
    until(lambda: len(acknowledged) > seen + 50)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert told and proxy.dropped
    stats = queue.stats()
    assert len(set(acknowledged)) == len(acknowledged)
    assert len(acknowledged) <= stats.counts[JobStatus.PENDING] <= len(acknowledged) + len(threads)
    assert queue.doctor() == []
