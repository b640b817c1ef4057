"""Waiting in asyncio: all tasks of an event loop share one connection."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from typing import Any

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue
from faciliter_jobs.aio import AsyncJobQueue
from faciliter_jobs.errors import JobNotFoundError, JobWasCancelledError, QueueUnavailableError
from tests.support.server import client_of


def _listeners(queue: RedisJobQueue) -> int:
    clients = client_of(queue.config).client_list(_type="pubsub")
    return len(clients)


def _channels(queue: RedisJobQueue) -> int:
    return len(client_of(queue.config).pubsub_channels(f"{queue.tag}done:*"))


async def _until(condition: Any, timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_a_thousand_tasks_wait_at_once_on_one_connection(queue):
    before = _listeners(queue)

    async def main() -> list[Any]:
        async with AsyncJobQueue(queue.config) as shared:
            ids = await shared.submit_jobs([{"job_type": "t"} for _ in range(1000)])
            waits = [asyncio.ensure_future(shared.wait_for_result(job_id, 60)) for job_id in ids]
            await _until(lambda: _channels(queue) == 1000)
            assert _listeners(queue) == before + 1
            random.Random(1).shuffle(order := list(ids))
            await asyncio.gather(*(shared.complete_job(job_id, {"id": job_id}) for job_id in order))
            results = await asyncio.gather(*waits)
            assert [result["id"] for result in results] == ids
            await _until(lambda: _channels(queue) == 0)

    asyncio.run(main())
    assert _listeners(queue) == before


def test_many_tasks_wait_for_the_same_job(queue):
    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            job_id = await shared.submit_job("t")
            waits = [asyncio.ensure_future(shared.wait_for_result(job_id, 20)) for _ in range(100)]
            await _until(lambda: _channels(queue) == 1)
            for cancelled in waits[:50]:
                cancelled.cancel()
            await asyncio.sleep(0.05)
            assert _channels(queue) == 1, "the others still wait"
            await shared.complete_job(job_id, {"n": 1})
            assert await asyncio.gather(*waits[50:]) == [{"n": 1}] * 50

    asyncio.run(main())


def test_who_is_cancelled_leaves_nothing_behind(queue):
    async def main() -> None:
        chance = random.Random(3)
        async with AsyncJobQueue(queue.config) as shared:
            ids = await shared.submit_jobs([{"job_type": "t"} for _ in range(50)])
            for _ in range(10):
                waits = [asyncio.ensure_future(shared.wait_for_result(job_id, 20)) for job_id in ids]
                await asyncio.sleep(chance.random() * 0.02)
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
            await _until(lambda: _channels(queue) == 0)
            assert shared._notices.get()._waiting == {}
            ending = asyncio.ensure_future(shared.wait_for_result(ids[0], 20))
            await _until(lambda: _channels(queue) == 1)
            await shared.complete_job(ids[0], {"n": 1})
            assert await ending == {"n": 1}

    asyncio.run(main())


def test_who_waits_when_the_queue_is_closed_is_told(queue):
    async def main() -> None:
        shared = AsyncJobQueue(queue.config)
        job_id = await shared.submit_job("t")
        wait = asyncio.ensure_future(shared.wait_for_result(job_id, 20))
        await _until(lambda: _channels(queue) == 1)
        await shared.close()
        with pytest.raises(QueueUnavailableError, match="closed while"):
            await wait
        await shared.complete_job(job_id)  # a later call opens new connections
        assert await shared.wait_for_result(job_id, 5) is None
        await shared.close()

    asyncio.run(main())


def test_it_may_wait_in_several_event_loops_one_after_another(queue):
    shared = AsyncJobQueue(queue.config)

    async def one() -> None:
        job_id = await shared.submit_job("t")
        wait = asyncio.ensure_future(shared.wait_for_result(job_id, 20))
        await _until(lambda: _channels(queue) == 1)
        await shared.complete_job(job_id, {"n": 1})
        assert await wait == {"n": 1}
        await shared.close()

    for _ in range(3):
        asyncio.run(one())


def test_the_connection_is_given_up_when_nobody_has_waited_for_a_while(queue, monkeypatch):
    monkeypatch.setattr("faciliter_jobs.aio_notices._LINGER", 0.2)
    before = _listeners(queue)

    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            for _ in range(2):
                job_id = await shared.submit_job("t")
                wait = asyncio.ensure_future(shared.wait_for_result(job_id, 20))
                await _until(lambda: _channels(queue) == 1)
                await shared.complete_job(job_id)
                await wait
                await _until(lambda: _listeners(queue) == before)

    asyncio.run(main())


def test_a_look_that_is_due_while_nobody_waits_holds_up_no_later_one(queue, monkeypatch):
    monkeypatch.setattr("faciliter_jobs.aio_notices.LOOK_EVERY", 0.1)

    async def main() -> None:
        async with AsyncJobQueue(replace(queue.config, socket_timeout=3)) as shared:
            ended, job_id = await shared.submit_job("t"), await shared.submit_job("t")
            await shared.complete_job(ended)
            await shared.wait_for_result(ended, 5)
            await asyncio.sleep(0.2)
            with shared._notices.get().subscribed([ended]):
                pass  # who comes and goes at once wakes the listener, which finds nobody
            await asyncio.sleep(0.05)
            await shared.complete_job(job_id, {"n": 1})
            begun = time.monotonic()
            assert await shared.wait_for_result(job_id) == {"n": 1}
            assert time.monotonic() - begun < 1

    asyncio.run(main())


def test_a_handle_is_awaited(queue):
    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            handle = await shared.submit("t", {"n": 1}, "acme", job_id="mine")
            assert repr(handle) == "AsyncJobHandle('mine')"
            assert await handle.status() is JobStatus.PENDING
            assert (await handle.get()).company_id == "acme"
            await shared.complete_job(handle.id, {"n": 2})
            assert await handle == {"n": 2} == await handle.result(5)
            assert await handle.cancel() is False
            other = await shared.submit("t")
            assert await other.cancel() is True
            with pytest.raises(JobWasCancelledError):
                await other
            await shared.cleanup_old_jobs(0)
            with pytest.raises(JobNotFoundError):
                await handle.status()

    asyncio.run(main())


def test_a_map_that_is_left_early_leaves_nothing_behind(queue, run_worker):
    run_worker({"t": lambda job: job.input_data})

    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            results = shared.map_jobs("t", [{"n": n} for n in range(20)], timeout=20)
            assert await anext(results) == {"n": 0}
            await results.aclose()
            await _until(lambda: _channels(queue) == 0)

    asyncio.run(main())


def test_tasks_come_and_go_while_connections_are_killed_and_none_misses_its_job(queue):
    """LESSONS 21."""
    seed = random.randrange(10**6)
    print("seed", seed)
    chance, client = random.Random(seed), client_of(queue.config)

    async def wait(shared: AsyncJobQueue, job_id: str) -> Any:
        await asyncio.sleep(chance.random() * 0.5)
        while chance.random() < 0.5:
            try:
                return await asyncio.wait_for(shared.wait_for_result(job_id, 60), chance.random() * 0.1)
            except asyncio.TimeoutError:
                continue
        return await shared.wait_for_result(job_id, 60)

    async def end(shared: AsyncJobQueue, ids: list[str]) -> None:
        for job_id in chance.sample(ids, len(ids)):
            await asyncio.sleep(chance.random() * 0.006)
            await shared.complete_job(job_id, {"id": job_id})
            if chance.random() < 0.05:
                client.client_kill_filter(_type="pubsub")
            if chance.random() < 0.02:
                client.client_kill_filter(_type="normal", skipme=True)

    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            ids = await shared.submit_jobs([{"job_type": "t"} for _ in range(200)])
            begun = time.monotonic()
            _, *results = await asyncio.gather(end(shared, ids), *(wait(shared, job_id) for job_id in ids))
            assert [result["id"] for result in results] == ids
            assert time.monotonic() - begun < 15, "none was found by the look that comes every 20 s"

    asyncio.run(main())
