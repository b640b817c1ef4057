"""A connection that the server has closed while it was idle (`timeout`, CLIENT KILL, a restart, a proxy):
the next call goes over a new one, also when it may not be sent twice."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from faciliter_jobs import AsyncJobQueue, JobStatus, RedisJobQueue, scripts, transport
from tests.support.proxy import Proxy
from tests.support.wait import until


@pytest.fixture
def queue(own_server, queue_class):
    with queue_class(own_server.config) as made:
        yield made


@pytest.fixture
def timid(own_server, queue_class):
    """A queue that sends nothing twice."""
    with queue_class(replace(own_server.config, retry_on_timeout=False)) as made:
        yield made


def _kill_all(server):
    with server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
        until(lambda: len(client.client_list()) == 1)


def test_a_claim_goes_over_a_new_connection(queue, own_server):
    job_id = queue.submit_job("t")
    _kill_all(own_server)
    assert queue.get_pending_job().job_id == job_id


def test_so_it_does_when_the_server_closes_what_is_idle(queue, own_server):
    job_id = queue.submit_job("t")
    with own_server.client() as client:
        client.config_set("timeout", 1)
        until(lambda: len(client.client_list()) == 1, timeout=10)
    assert queue.get_pending_job().job_id == job_id


CALLS = {
    "submit_job": lambda q, i: q.submit_job("t"),
    "submit_jobs": lambda q, i: q.submit_jobs([{"job_type": "t"}]),
    "get_job": lambda q, i: q.get_job(i),
    "list_jobs": lambda q, i: q.list_jobs(),
    "stats": lambda q, i: q.stats(),
    "get_pending_job": lambda q, i: q.get_pending_job(),
    "complete_job": lambda q, i: q.complete_job(i),
    "update_job_status": lambda q, i: q.update_job_status(i, JobStatus.FAILED),
    "doctor": lambda q, i: not q.doctor(),
    "connect": lambda q, i: q.connect() is None,
}


@pytest.mark.parametrize("name", CALLS)
def test_so_does_every_call_of_a_client_that_sends_nothing_twice(timid, own_server, name):
    job_id = timid.submit_job("t")
    _kill_all(own_server)
    assert CALLS[name](timid, job_id)


def test_whichever_of_several_idle_connections_it_gets(timid, own_server, background):
    for _ in range(5):
        for call in [background(timid.submit_job, "t") for _ in range(40)]:
            assert call.result()
        _kill_all(own_server)


def test_after_a_restart_of_the_server(timid, own_server):
    timid.submit_job("t")
    own_server.kill()
    own_server.start()
    assert timid.submit_job("t") and timid.get_pending_job()


@pytest.mark.parametrize("resets", [False, True])
def test_through_a_network_that_closes_or_resets(own_server, queue_class, resets):
    proxy = Proxy(own_server.config)
    with proxy, queue_class(replace(proxy.config, retry_on_timeout=False)) as timid:
        for _ in range(3):
            assert timid.submit_job("t") and timid.get_pending_job()
            proxy.cut(resets=resets)
            time.sleep(0.05)  # what a local network needs


def test_an_event_loop_that_was_busy_meanwhile_has_not_heard_of_it_yet(own_server):
    async def main():
        async with AsyncJobQueue(replace(own_server.config, retry_on_timeout=False)) as queue:
            job_id = await queue.submit_job("t")
            _kill_all(own_server)  # blocks the loop
            job = await queue.get_pending_job()
            assert job is not None and job.job_id == job_id

    asyncio.run(main())


@pytest.mark.parametrize("resends", [True, False])
def test_nobody_else_looks(own_server, monkeypatch, resends):
    """A look is a system call, which a worker's turn and what may be sent again do without."""
    looks = []
    close_if_ended = transport._close_if_ended
    monkeypatch.setattr(transport, "_close_if_ended", lambda c: looks.append(c) or close_if_ended(c))
    with RedisJobQueue(replace(own_server.config, retry_on_timeout=resends)) as queue:
        queue.submit_jobs([{"job_type": "t"}] * 3)
        queue.get_pending_job()  # the server knows its script from now on
        turn = scripts.turn(queue.tag, worker="w", lease_ms=9_000, want=1, types=["t"], outcomes=[])
        looks.clear()
        queue.transport.run(turn)
        assert looks == []
        queue.get_job("any")
        queue.get_pending_job()
        assert len(looks) == (1 if resends else 2)
