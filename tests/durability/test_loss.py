"""What a crash of the server takes with it, by how the server keeps its data. docs/guarantees.md."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faciliter_jobs import JobStatus, JobWorker, RedisJobQueue
from faciliter_jobs.errors import JobQueueError
from tests.support.clock import Clock
from tests.support.contract import Stage
from tests.support.server import ServerProcess, free_port
from tests.support.wait import until


@pytest.fixture
def make_server() -> Iterator[Any]:
    made: list[ServerProcess] = []

    def make(**options: str) -> ServerProcess:
        made.append(ServerProcess(**options))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def _queue_of(server: ServerProcess) -> RedisJobQueue:
    queue = RedisJobQueue(server.config)
    queue.connect()
    return queue


def _stage_of(server: ServerProcess) -> Stage:
    queue = _queue_of(server)
    return Stage(queue, Clock(queue))


def _crash(server: ServerProcess) -> None:
    """kill -9, and a start from what is on the disk."""
    server.kill()
    server.start()


def _submit_until_it_is_killed(server: ServerProcess, queue: RedisJobQueue, begun: list[str]) -> list[str]:
    """The ids that were acknowledged; `begun` gets those that were sent."""
    acknowledged: list[str] = []

    def submit_until_it_fails() -> None:
        try:
            while True:
                begun.append(f"job-{len(begun)}")
                acknowledged.append(queue.submit_job("t", job_id=begun[-1]))
        except JobQueueError:
            return

    producer = threading.Thread(target=submit_until_it_fails)
    producer.start()
    until(lambda: len(acknowledged) > 100)
    server.kill()
    producer.join(timeout=60)
    assert not producer.is_alive()
    return acknowledged


def _ids(queue: RedisJobQueue, begun: list[str]) -> list[str]:
    return [job_id for job_id in begun if queue.get_job(job_id) is not None]


def test_with_appendfsync_always_every_acknowledged_submit_survives(make_server):
    server = make_server(appendonly="yes", appendfsync="always")
    queue = _queue_of(server)
    begun: list[str] = []
    acknowledged = _submit_until_it_is_killed(server, queue, begun)
    server.start()
    found = _ids(queue, begun)
    assert found == begun[: len(found)] and set(found) >= set(acknowledged)
    assert queue.doctor() == []
    queue.close()


def test_with_appendfsync_everysec_only_the_end_is_lost_and_nothing_that_was_written(make_server):
    """While the disk takes long over an fsync the server keeps what it acknowledges for up to two seconds."""
    server = make_server(appendonly="yes", appendfsync="everysec")
    queue = _queue_of(server)
    begun = [queue.submit_job("t", job_id=f"job-{n}") for n in range(20)]
    written = set(begun)
    until(lambda: server.client().info("persistence")["aof_buffer_length"] == 0, timeout=30)
    _submit_until_it_is_killed(server, queue, begun)
    server.start()
    found = _ids(queue, begun)
    assert found == begun[: len(found)] and set(found) >= written
    assert queue.doctor() == []
    queue.close()


def _log_of(server: ServerProcess) -> Path:
    """The append-only file (of several, the one that grows)."""
    found = list(server.directory.rglob("*.incr.aof")) or list(server.directory.rglob("*.aof"))
    (path,) = found
    return path


def _kept(stage: Stage) -> dict[str, Any]:
    """All that is stored, but for who waits: that ends by itself, by the server's own clock."""
    return {name: held for name, held in stage.snapshot().items() if not name.startswith("parked")}


def _some_history(stage: Stage) -> list[Any]:
    """What the queue held after each call: jobs submitted, handed over, claimed, ended in each way."""
    seen = [_kept(stage)]

    def note(_: Any) -> None:
        seen.append(_kept(stage))

    note(stage.park("w1"))
    note(stage.submit())
    stage.pick_up("w1")
    note(None)
    (handed,) = stage.adopt("w1")
    note(None)
    note(stage.submit_many(6))
    claimed = stage.claim(4, "w2")
    note(None)
    note(stage.complete(handed.job_id, handed.token))
    note(stage.fail(claimed[0].job_id, claimed[0].token, delay_ms=1000, max_retries=3))
    note(stage.cancel(claimed[1].job_id))
    note(stage.retry(claimed[1].job_id))
    note(stage.leave("w2"))
    stage.clock.advance(5)
    note(None)
    note(stage.promote())
    return seen


def test_a_log_cut_anywhere_leaves_the_queue_as_it_was_at_one_instant(make_server):
    """A crash of the machine takes the end of the log: whole transitions, never a half."""
    server = make_server(appendonly="yes", appendfsync="everysec")
    stage = _stage_of(server)
    empty_until = _log_of(server).stat().st_size
    seen = _some_history(stage)
    server.kill()
    log = _log_of(server)
    whole = log.read_bytes()
    choose = random.Random(1)
    cuts = sorted(choose.sample(range(empty_until, len(whole)), 15), reverse=True)
    reached = []
    for cut in cuts:
        log.write_bytes(whole[:cut])
        server.start()
        now = _kept(stage)
        assert now in seen, f"cut at {cut} of {len(whole)} bytes"
        assert stage.queue.doctor() == []
        reached.append(seen.index(now))
        server.kill()
    assert reached == sorted(reached, reverse=True) and len(set(reached)) > 3
    stage.queue.close()


def test_with_snapshots_only_everything_since_the_last_one_is_lost_and_the_rest_is_sound(make_server):
    """What had been started runs again, also what had ended since."""
    server = make_server(appendonly="no")
    queue = _queue_of(server)
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(3)])
    server.client().save()
    ran: list[str] = []
    worker = JobWorker(queue, poll_interval=0.05)
    worker.register_function_handler("t", lambda job: ran.append(job.job_id))
    worker.start(max_jobs=2)
    later = queue.submit_job("t")
    _crash(server)
    assert queue.get_job(later) is None
    assert queue.stats().counts[JobStatus.PENDING] == 3 and queue.doctor() == []
    worker.start(max_jobs=3)
    assert sorted(ran) == sorted(ids + ran[:2])
    assert queue.stats().counts[JobStatus.COMPLETED] == 3
    queue.close()


def test_without_any_persistence_everything_is_lost_and_the_queue_goes_on(make_server):
    server = make_server(appendonly="no")
    queue = _queue_of(server)
    lost = queue.submit_job("t")
    _crash(server)
    assert queue.get_job(lost) is None and queue.list_jobs() == []
    job_id = queue.submit_job("t")
    worker = JobWorker(queue, poll_interval=0.05)
    worker.register_function_handler("t", lambda job: 1)
    worker.start(max_jobs=1)
    assert queue.get_job(job_id).status is JobStatus.COMPLETED
    assert queue.doctor() == []
    queue.close()


def test_a_server_that_evicts_keys_loses_jobs_and_the_doctor_says_so(make_server):
    """LESSONS 28 to 30: memory ends; only noeviction ends it with an error instead of with a loss."""
    server = make_server(**{"maxmemory": "4mb", "maxmemory-policy": "allkeys-random"})
    queue = _queue_of(server)
    submitted = [f"job-{n}" for n in range(400)]
    for job_id in submitted:
        try:
            queue.submit_job("t", {"text": "x" * 20_000}, job_id=job_id)
        except JobQueueError:  # what it needed to work with may be gone, too
            continue
    assert server.client().info("stats")["evicted_keys"] > 0
    assert any(queue.get_job(job_id) is None for job_id in submitted)
    assert queue.doctor() != []
    queue.close()


@pytest.fixture
def pair(make_server) -> tuple[ServerProcess, ServerProcess]:
    """A server, and a replica that is up to date."""
    port = free_port()
    primary = make_server(port=str(port))
    replica = make_server()
    replica.client().config_set("repl-diskless-sync-delay", 0)
    primary.client().config_set("repl-diskless-sync-delay", 0)
    replica.client().replicaof("127.0.0.1", port)
    until(lambda: replica.client().info("replication")["master_link_status"] == "up", timeout=30)
    return primary, replica


def _fail_over(primary: ServerProcess, replica: ServerProcess) -> RedisJobQueue:
    primary.kill()
    replica.client().replicaof("NO", "ONE")
    return _queue_of(replica)


def test_after_a_failover_what_the_replica_had_is_there_and_sound(pair):
    primary, replica = pair
    stage = _stage_of(primary)
    _some_history(stage)
    assert stage.client.wait(1, 10_000) == 1
    snapshot = _kept(stage)
    queue = _fail_over(primary, replica)
    assert _kept(Stage(queue, stage.clock)) == snapshot
    assert queue.doctor() == []


def test_after_a_failover_what_had_not_reached_the_replica_is_lost(pair):
    """Replication is asynchronous. A submit of the same id after it is safe."""
    primary, replica = pair
    before = _queue_of(primary)
    kept = before.submit_job("t")
    assert primary.client().wait(1, 10_000) == 1
    replica.client().replicaof("NO", "ONE")  # the link is gone
    lost = before.submit_job("t")
    queue = _fail_over(primary, replica)
    assert queue.get_job(kept) is not None
    assert queue.get_job(lost) is None and queue.doctor() == []
    assert queue.submit_job("t", job_id=lost) == lost
    assert queue.submit_job("t", job_id=kept) == kept
    assert queue.stats().counts[JobStatus.PENDING] == 2


def test_an_attempt_that_the_replica_knows_nothing_of_shares_its_token_and_one_of_both_commits(pair):
    """A claim that is lost with the server is made again under the same token: such attempts can't be
    told apart. Still only one outcome is taken."""
    primary, replica = pair
    before = _stage_of(primary)
    before.submit()
    assert before.client.wait(1, 10_000) == 1
    replica.client().replicaof("NO", "ONE")
    old = before.claim_one("w1")
    queue = _fail_over(primary, replica)
    after = Stage(queue, Clock(queue))
    new = after.claim_one("w2")
    assert new.token == old.token
    assert after.complete(old.job_id, old.token, op=old.token).value == "completed"
    assert after.complete(new.job_id, new.token, op=new.token).value == "already"
