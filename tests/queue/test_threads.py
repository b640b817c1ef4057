"""One queue, shared by threads and across fork."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from faciliter_jobs import JobStatus
from faciliter_jobs.errors import QueueUnavailableError
from tests.support.server import client_of
from tests.support.wait import until


@pytest.mark.parametrize("connections", [1, 3, 64])
def test_sixteen_threads_submit_read_and_end_jobs_at_once(make_queue, connections):
    queue = make_queue(max_connections=connections)

    def one_thread(number: int) -> list[str]:
        ids = [queue.submit_job("t", {"thread": number, "n": n}) for n in range(40)]
        for n, job_id in enumerate(ids):
            assert queue.get_job(job_id).input_data == {"thread": number, "n": n}
            assert queue.complete_job(job_id, {"from": number})
        return ids

    with ThreadPoolExecutor(16) as pool:
        ids = [job_id for made in pool.map(one_thread, range(16)) for job_id in made]
    assert len(set(ids)) == 640 == queue.stats().counts[JobStatus.COMPLETED]
    assert queue.doctor() == []


def test_no_more_connections_than_allowed(make_queue):
    queue = make_queue(max_connections=3)
    client = client_of(queue.config)
    before = client.info("clients")["connected_clients"]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: queue.submit_job("t"), range(200)))
    assert client.info("clients")["connected_clients"] <= before + 3


def test_all_connections_in_use_for_too_long_is_named(make_queue):
    queue = make_queue(max_connections=1, socket_timeout=0.2)
    taken = queue.transport._pool.take()
    with pytest.raises(QueueUnavailableError, match=r"all 1 connections are in use for 0\.2 s"):
        queue.stats()
    queue.transport._pool.give_back(taken)
    assert queue.stats().counts[JobStatus.PENDING] == 0


def test_each_waiting_job_is_claimed_by_one_of_many_threads(queue):
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(300)])
    claimed: list[str] = []

    def claim() -> None:
        while job := queue.get_pending_job():
            claimed.append(job.job_id)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(ids)


def _in_child(queue, results):
    results.put([queue.submit_job("t", {"child": os.getpid(), "n": n}) for n in range(50)])


def test_a_forked_child_has_connections_of_its_own(queue):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    queue.submit_job("t")  # the parent is connected
    children = [context.Process(target=_in_child, args=(queue, results)) for _ in range(4)]
    for child in children:
        child.start()
    mine = [queue.submit_job("t", {"parent": n}) for n in range(50)]
    theirs = [job_id for _ in children for job_id in results.get(timeout=20)]
    for child in children:
        child.join()
    assert len({*mine, *theirs}) == 250
    assert queue.stats().counts[JobStatus.PENDING] == 251


def test_a_killed_connection_is_replaced(queue):
    queue.submit_job("t")
    client = client_of(queue.config)
    for number in range(5):
        client.client_kill_filter(_type="normal", skipme=True)
        assert queue.submit_job("t", {"n": number})
    assert until(lambda: queue.stats().counts[JobStatus.PENDING] == 6)


def test_a_call_that_ctrl_c_ends_between_sending_and_reading_leaves_its_reply_to_nobody(
    make_queue, monkeypatch
):
    queue = make_queue(max_connections=1)
    first = queue.submit_job("t", {"n": 1})
    connection = queue.transport._pool._idle[0]
    send = connection.send_packed_command

    def interrupted(*args, **options):
        send(*args, **options)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, "send_packed_command", interrupted)
    with pytest.raises(KeyboardInterrupt):
        queue.submit_job("t", {"n": 2})
    assert queue.get_job(first).input_data == {"n": 1}
    assert queue.get_job("unknown") is None
