"""What only the asyncio queue has: cancellation, several event loops, a pool that tasks wait for. What
it shares with RedisJobQueue is tested over both, in the files beside this one."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue, keys
from faciliter_jobs.aio import AsyncJobQueue, create_async_job_queue
from faciliter_jobs.errors import ConfigError, InvalidArgumentError, QueueUnavailableError
from tests.support.proxy import Proxy
from tests.support.server import client_of


def _public(cls: type) -> dict[str, Any]:
    return {n: m for n, m in inspect.getmembers(cls, callable) if not n.startswith("_") and n != "register"}


def test_it_has_every_method_of_the_threaded_queue_with_the_same_arguments_and_docs():
    ours, theirs = _public(AsyncJobQueue), _public(RedisJobQueue)
    assert set(ours) == set(theirs)
    for name, method in ours.items():
        mine, other = inspect.signature(method), inspect.signature(theirs[name])
        assert mine.parameters == other.parameters, name
        assert method.__doc__, name
        if inspect.iscoroutinefunction(method):
            assert mine.return_annotation.removeprefix("Async") == other.return_annotation, name


def test_it_may_be_used_in_several_event_loops_one_after_another(queue):
    shared = AsyncJobQueue(queue.config)

    async def one(number: int) -> list[str]:
        return await asyncio.gather(*(shared.submit_job("t", {"n": number}) for _ in range(20)))

    ids = [job_id for number in range(5) for job_id in asyncio.run(one(number))]
    assert len(set(ids)) == 100 == queue.stats().counts[JobStatus.PENDING]
    asyncio.run(shared.close())


def test_two_event_loops_may_take_turns(queue):
    shared = AsyncJobQueue(queue.config)
    loops = [asyncio.new_event_loop() for _ in range(2)]
    for _ in range(3):
        for loop in loops:
            loop.run_until_complete(shared.submit_job("t"))
    for loop in loops:
        loop.run_until_complete(shared.close())
        loop.close()
    assert queue.stats().counts[JobStatus.PENDING] == 6


def test_no_more_connections_than_allowed(make_queue):
    queue = make_queue(max_connections=3)
    client = client_of(queue.config)
    before = client.info("clients")["connected_clients"]

    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            await asyncio.gather(*(shared.submit_job("t") for _ in range(300)))
            assert client.info("clients")["connected_clients"] <= before + 3

    asyncio.run(main())
    assert queue.stats().counts[JobStatus.PENDING] == 300


def test_all_connections_in_use_for_too_long_is_named(make_queue):
    queue = make_queue(max_connections=1, socket_timeout=0.2)

    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            pool = shared.transport._pools.get()
            taken = await pool.take()
            with pytest.raises(QueueUnavailableError, match=r"all 1 connections are in use for 0\.2 s"):
                await shared.stats()
            pool.give_back(taken)
            assert (await shared.stats()).counts[JobStatus.PENDING] == 0

    asyncio.run(main())


def test_a_connection_that_comes_as_its_task_is_cancelled_goes_to_the_next(make_queue):
    queue = make_queue(max_connections=1, socket_timeout=1)

    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            pool = shared.transport._pools.get()
            taken = await pool.take()
            first = asyncio.ensure_future(pool.take())
            second = asyncio.ensure_future(pool.take())
            await asyncio.sleep(0)
            pool.give_back(taken)
            first.cancel()
            assert await second is taken
            assert first.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize("connections", [1, 4])
def test_submits_cancelled_at_random_moments_are_there_whole_or_not_at_all(make_queue, connections):
    """A cancelled await loses no job, doubles none, and leaves nobody a reply of another's."""
    queue = make_queue(max_connections=connections)
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    returned: set[str] = set()
    cancelled: set[str] = set()

    async def submit(shared: AsyncJobQueue, job_id: str) -> None:
        try:
            given = await shared.submit_job("t", {"id": job_id}, job_id=job_id)
        except asyncio.CancelledError:
            cancelled.add(job_id)
            raise
        assert given == job_id
        returned.add(job_id)
        if chance.random() < 0.2:
            job = await shared.get_job(job_id)
            assert job is not None and job.input_data == {"id": job_id}, "a reply of its own"

    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            for batch in range(100):
                tasks = [asyncio.ensure_future(submit(shared, f"{batch}-{n}")) for n in range(30)]
                while not all(task.done() for task in tasks):
                    # From within the event loop's turns to a few round trips.
                    for _ in range(chance.randrange(4)):
                        await asyncio.sleep(0)
                    await asyncio.sleep(chance.choice((0, 0, 0.0001, 0.0005)))
                    chance.choice(tasks).cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            assert await shared.submit_job("t", job_id="last") == "last"

    asyncio.run(main())
    stored = {job.job_id: job for job in queue.list_jobs(limit=10_000)}
    assert len(cancelled) > 100 and len(returned) > 100
    assert returned | {"last"} <= set(stored) <= returned | cancelled | {"last"}
    assert all(job.input_data == {"id": job_id} for job_id, job in stored.items() if job_id != "last")
    assert len(set(stored) & cancelled) > 0, "some were cancelled after they had been sent"
    assert queue.stats().counts[JobStatus.PENDING] == len(stored)
    assert queue.doctor() == []


def test_a_claim_that_is_cancelled_is_given_back(queue):
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(400)])
    chance = random.Random(5)

    async def main() -> list[str]:
        claimed = []
        async with AsyncJobQueue(queue.config) as shared:
            for _ in range(300):
                claim = asyncio.ensure_future(shared.get_pending_job())
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
                await asyncio.sleep(chance.choice((0, 0.0001, 0.0003)))
                claim.cancel()
                try:
                    job = await claim
                except asyncio.CancelledError:
                    continue
                if job is not None:
                    claimed.append(job.job_id)
        return claimed

    claimed = asyncio.run(main())
    assert queue.stats().counts[JobStatus.PROCESSING] == len(claimed) < 290
    while job := queue.get_pending_job():
        claimed.append(job.job_id)
    assert sorted(claimed) == sorted(ids)
    returned = [queue.transport.command("HGET", keys.job(queue.tag, job_id), "returned") for job_id in ids]
    assert any(returned), "some were cancelled after they had been sent"
    assert all(queue.get_job(job_id).attempt == 1 for job_id in ids), "and that was no attempt"
    assert queue.doctor() == []


def test_a_claim_given_back_in_a_loop_that_is_closed_is_no_matter_of_the_next(queue, proxy):
    """Its lease brings it back."""
    queue.submit_job("t")
    shared = AsyncJobQueue(proxy.config)

    async def leave_one_behind() -> None:
        await shared.connect()
        proxy.hold()
        claim = asyncio.ensure_future(shared.get_pending_job())
        await asyncio.sleep(0.05)
        claim.cancel()
        await asyncio.sleep(0.05)

    async def use_it() -> int:
        async with shared:
            return (await shared.stats()).alive

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it would say that tasks were pending when it was closed
    loop.run_until_complete(leave_one_behind())
    loop.close()
    proxy.release()
    assert asyncio.run(use_it()) == 0


@pytest.fixture
def proxy(queue: RedisJobQueue) -> Iterator[Proxy]:
    with Proxy(queue.config) as made:
        yield made


def test_a_cancelled_call_whose_reply_comes_late_leaves_it_to_nobody(queue, proxy):
    """LESSONS 23."""
    first, second = queue.submit_job("t", {"n": 1}), queue.submit_job("t", {"n": 2})

    async def main() -> None:
        config = replace(proxy.config, max_connections=1)
        async with AsyncJobQueue(config) as shared:
            proxy.delay(0.1)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(shared.get_job(first), 0.03)
            proxy.delay(0)
            job = await shared.get_job(second)
            assert job is not None and job.input_data == {"n": 2}

    asyncio.run(main())


def test_a_connection_cancelled_while_it_is_being_made_is_made_anew(queue, proxy):
    async def main() -> None:
        shared = AsyncJobQueue(replace(proxy.config, max_connections=1))
        proxy.delay(0.02)
        for number in range(12):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(shared.stats(), 0.005 * number)
        proxy.delay(0)
        job_id = await shared.submit_job("t")
        assert (await shared.get_job(job_id)).job_id == job_id  # type: ignore[union-attr]
        await shared.close()

    asyncio.run(main())


def test_while_replies_get_lost_each_of_many_submits_is_applied_once(queue, proxy):
    async def main() -> list[str]:
        async with AsyncJobQueue(replace(proxy.config, retry_on_timeout=True)) as shared:
            await shared.stats()
            proxy.drop_some(0.01, seed=3)
            ids = await asyncio.gather(*(shared.submit_job("t", {"n": n}) for n in range(1000)))
            proxy.drop_some(0)
            return ids

    ids = asyncio.run(main())
    assert proxy.dropped >= 3
    assert sorted(job.job_id for job in queue.list_jobs(limit=10_000)) == sorted(ids)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda client: client.script_flush(), id="scripts flushed"),
        pytest.param(lambda client: client.client_kill_filter(_type="normal", skipme=True), id="killed"),
    ],
)
def test_it_goes_on_after_lost_scripts_and_connections(queue, fault: Callable[[Any], None]):
    """LESSONS 24."""
    client = client_of(queue.config)

    async def main() -> None:
        async with AsyncJobQueue(queue.config) as shared:
            for _ in range(10):
                await asyncio.gather(*(shared.submit_job("t") for _ in range(10)))
                fault(client)
            assert await shared.health_check()

    asyncio.run(main())
    assert queue.stats().counts[JobStatus.PENDING] == 100


def test_it_is_made_connected_from_a_config(queue):
    async def main() -> None:
        shared = await create_async_job_queue("valkey", queue.config)
        assert shared.connected
        await shared.close()
        with pytest.raises(InvalidArgumentError, match="queue_type: 'rabbit'"):
            await create_async_job_queue("rabbit")
        with pytest.raises(ConfigError, match="create_async_job_queue"):
            AsyncJobQueue(replace(queue.config, embedded="x"))

    asyncio.run(main())
