"""A call whose reply is lost was carried out, and its client can't know: it is applied once."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from faciliter_jobs import JobStatus, JobWorker, RedisJobQueue, scripts
from faciliter_jobs.errors import QueueTimeoutError, QueueUnavailableError
from faciliter_jobs.scripts import composed
from faciliter_jobs.scripts.compose import script_names
from tests.support.proxy import Proxy
from tests.support.server import client_of
from tests.support.wait import until


@pytest.fixture
def queue(either_queue):
    return either_queue


@pytest.fixture
def proxy(queue):
    client = client_of(queue.config)
    for name in script_names():  # or the reply that gets lost would say that the script is unknown
        client.script_load(composed(name).text)
    with Proxy(queue.config) as made:
        yield made


@pytest.fixture
def behind(proxy, queue_class):
    """A queue behind the proxy, that re-sends."""
    with queue_class(replace(proxy.config, retry_on_timeout=True, socket_timeout=2)) as made:
        yield made


@pytest.fixture
def timid(proxy, queue_class):
    """A queue behind the proxy, that doesn't."""
    with queue_class(replace(proxy.config, retry_on_timeout=False, socket_timeout=2)) as made:
        yield made


def _failed(queue):
    job_id = queue.submit_job("t")
    queue.fail_job(job_id, "broken")
    return job_id


# name: (prepare, call, what the call returns, the status after it)
CALLS = {
    "complete": (
        lambda q: q.submit_job("t"),
        lambda q, i: q.complete_job(i, {"n": 1}),
        True,
        JobStatus.COMPLETED,
    ),
    "fail": (lambda q: q.submit_job("t"), lambda q, i: q.fail_job(i, "broken"), True, JobStatus.FAILED),
    "cancel": (lambda q: q.submit_job("t"), lambda q, i: q.cancel_job(i), True, JobStatus.CANCELLED),
    "retry": (_failed, lambda q, i: q.retry_job(i), True, JobStatus.PENDING),
    "progress": (
        lambda q: q.submit_job("t"),
        lambda q, i: q.update_job_progress(i, 40, "on it"),
        True,
        JobStatus.PENDING,
    ),
}


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_it_is_sent_again_and_says_what_the_lost_reply_said(queue, proxy, behind, name, lost):
    prepare, call, expected, status = CALLS[name]
    job_id = prepare(queue)
    proxy.drop_next_replies(lost)
    assert call(behind, job_id) is expected
    assert proxy.dropped == lost
    assert queue.get_job(job_id).status is status
    assert queue.doctor() == []


@pytest.mark.parametrize("name", CALLS)
def test_without_retry_on_timeout_the_caller_is_told_and_decides(queue, proxy, timid, name):
    prepare, call, _, status = CALLS[name]
    job_id = prepare(queue)
    proxy.drop_next_replies(1)
    with pytest.raises(QueueUnavailableError):
        call(timid, job_id)
    assert queue.get_job(job_id).status is status, "it was carried out"
    assert proxy.dropped == 1


@pytest.mark.parametrize("lost", [1, 2])
def test_a_submit_adds_once(queue, proxy, behind, lost):
    proxy.drop_next_replies(lost)
    job_id = behind.submit_job("t", {"a": 1})
    assert [job.job_id for job in queue.list_jobs()] == [job_id]


def test_a_submit_of_many_adds_each_once(queue, proxy, behind):
    proxy.drop_next_replies(1)
    ids = behind.submit_jobs([{"job_type": "t"} for _ in range(500)])
    assert sorted(job.job_id for job in queue.list_jobs(limit=1000)) == sorted(ids)
    assert len(set(ids)) == 500


def test_after_three_lost_replies_the_caller_is_told(queue, proxy, behind):
    proxy.drop_next_replies(3)
    with pytest.raises(QueueUnavailableError):
        behind.submit_job("t", job_id="mine")
    assert behind.submit_job("t", job_id="mine") == "mine", "with an id of one's own it can be said again"
    assert len(queue.list_jobs()) == 1


def test_no_answer_within_the_timeout_is_a_timeout(queue, proxy, queue_class):
    config = replace(proxy.config, retry_on_timeout=False, socket_timeout=0.2)
    with queue_class(config) as slow:
        proxy.hold()
        begun = time.monotonic()
        with pytest.raises(QueueTimeoutError, match=r"0\.2 s"):
            slow.submit_job("t", job_id="late")
        assert time.monotonic() - begun < 1.5
        proxy.release()
        assert slow.submit_job("t", job_id="late") == "late"
        assert len(queue.list_jobs()) == 1


def test_a_reply_that_comes_late_is_never_taken_for_another_s(queue, proxy, queue_class):
    config = replace(proxy.config, retry_on_timeout=False, socket_timeout=0.2, max_connections=1)
    first, second = queue.submit_job("t", {"n": 1}), queue.submit_job("t", {"n": 2})
    with queue_class(config) as slow:
        proxy.delay(0.4)
        with pytest.raises(QueueTimeoutError):
            slow.get_job(first)
        proxy.delay(0)
        assert slow.get_job(second).input_data == {"n": 2}


def test_a_claim_is_not_sent_again_and_its_lease_brings_the_job_back(queue, proxy, behind):
    job_id = queue.submit_job("t")
    proxy.drop_next_replies(1)
    with pytest.raises(QueueUnavailableError):
        behind.get_pending_job(lease=0.3)
    assert queue.get_job(job_id).status is JobStatus.PROCESSING
    assert queue.get_pending_job() is None

    def given_again():
        queue.transport.run(scripts.tend(queue.tag, limit=100))
        return queue.get_pending_job()

    assert until(given_again).job_id == job_id
    assert queue.get_job(job_id).attempt == 2


def test_a_worker_whose_replies_get_lost_all_the_time_does_each_job_once(queue, proxy):
    ran: list[str] = []
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(400)])
    config = replace(proxy.config, socket_timeout=2, retry_on_timeout=True)
    worker = JobWorker(RedisJobQueue(config), poll_interval=0.1, lease=30)
    worker.register_function_handler("t", lambda job: time.sleep(0.002) or ran.append(job.job_id))
    thread = threading.Thread(target=worker.start, daemon=True)
    thread.start()
    until(lambda: ran)
    proxy.drop_some(0.08, seed=7)
    until(lambda: queue.stats().counts[JobStatus.COMPLETED] == len(ids), timeout=60)
    proxy.drop_some(0)
    worker.stop()
    thread.join(10)
    assert proxy.dropped >= 3
    assert sorted(ran) == sorted(ids), "each once: no lease has passed"
    assert queue.doctor() == []
