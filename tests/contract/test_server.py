"""What a server does to every script: it forgets them, restarts, or is out of memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import exceptions as redis_errors

from faciliter_jobs import JobConfig, JobStatus, RedisJobQueue, codec, scripts
from faciliter_jobs.errors import (
    QueueFullError,
    QueueRefusedError,
    QueueTimeoutError,
    QueueUnavailableError,
    ScriptFailedError,
)
from faciliter_jobs.scripts import Outcome
from faciliter_jobs.scripts.compose import script_names
from faciliter_jobs.transport import translate
from tests.support.clock import Clock
from tests.support.contract import Stage
from tests.support.server import ServerProcess, client_of


class _Ran:
    """Runs every script once, and notes which."""

    def __init__(self, queue: RedisJobQueue) -> None:
        self.stage = Stage(queue, None)  # the server's own clock
        self.names: set[str] = set()
        transport_run = queue.transport.run

        def run(call):
            self.names.add(call.script)
            return transport_run(call)

        queue.transport.run = run

    def everything(self, turn: str) -> None:
        stage = self.stage
        done, failed, cancelled = stage.submit_many(3)
        first, second = stage.claim(2)
        assert stage.progress(done, 10, first.token).value == "updated"
        assert stage.heartbeat(held=((done, first.token),)) == []
        assert stage.complete(done, first.token, first.token).value == "completed"
        outcome = Outcome(failed, second.token, "failed", "x")
        assert stage.turn([outcome]).endings[0].value == "failed"
        assert stage.retry(failed).value == "pending"
        assert stage.fail(failed).value == "failed"
        assert stage.cancel(cancelled).value == "cancelled"
        assert stage.park().jobs == []
        handed = stage.submit(job_id=f"{turn}-3")
        stage.pick_up()
        assert stage.shown()[1] == handed.encode()
        assert [c.job_id for c in stage.adopt()] == [handed]
        stage.run(scripts.tend(stage.tag, limit=10))
        assert stage.run(scripts.release(stage.tag, worker="w1", held=[("other", "1.1")])) == []
        assert stage.leave() == [handed]
        assert stage.bury() == []
        assert stage.promote() == (0, None)
        assert stage.recover() == 0
        assert stage.run(scripts.watch(stage.tag, keep_ms=1000, company="", job_ids=[failed])) == [
            JobStatus.FAILED
        ]
        assert stage.cleanup().purged == 0
        assert stage.cancel(handed).value == "cancelled"
        assert len(stage.queue.list_jobs()) >= 4
        assert stage.queue.for_company("acme").get_job(done) is not None
        assert stage.queue.stats().counts[JobStatus.PENDING] == 0
        assert stage.run(scripts.repair_jobs(stage.tag, job_ids=[done])) == []
        assert stage.run(scripts.repair_keys(stage.tag, names=[b"index"])) == []
        assert stage.run(scripts.repair_members(stage.tag, family="index", name=b"index", members=[])) == []
        assert stage.run(scripts.repair_field(stage.tag, job_id=done, field="in", sha1="", reason="")) == ""


@pytest.fixture
def durable_server():
    process = ServerProcess(appendonly="yes", appendfsync="always")
    yield process
    process.stop()


def test_every_script_runs_again_after_the_server_forgot_or_restarted(durable_server):
    """LESSONS 24."""
    queue = RedisJobQueue(durable_server.config)
    queue.connect()
    ran = _Ran(queue)
    ran.everything("first")
    assert ran.names == set(script_names())
    client_of(queue.config).script_flush()
    ran.everything("flushed")
    durable_server.kill()
    durable_server.start()
    ran.everything("restarted")
    assert queue.stats().counts[JobStatus.COMPLETED] == 3
    assert queue.doctor() == []
    queue.close()


# --- at the memory limit --------------------------------------------------------------------------


@pytest.fixture
def full(own_server):
    """A server at its limit, with a job that runs (past its ttl), one that waits, one that is
    scheduled and due, and a dead letter."""
    queue = RedisJobQueue(own_server.config)
    queue.connect()
    stage = Stage(queue, Clock(queue))
    stage.submit(job_id="running", ttl_ms=1_000)
    stage.token = stage.claim_one().token
    stage.submit(job_id="waiting")
    stage.submit(job_id="scheduled", delay_ms=1_000)
    stage.submit(job_id="failed")
    stage.fail("failed")
    stage.heartbeat()
    stage.clock.advance(2)
    own_server.client().config_set("maxmemory-policy", "noeviction")
    own_server.client().config_set("maxmemory", "1")
    yield stage
    queue.close()


def test_a_submit_is_refused_by_name_and_writes_nothing(full):
    before = full.snapshot()
    with pytest.raises(QueueFullError, match="maxmemory"):
        full.queue.submit_job("t", {"a": 1})
    with pytest.raises(QueueFullError):
        full.queue.submit_jobs([{"job_type": "t"} for _ in range(100)])
    assert full.snapshot() == before


def test_a_submit_is_refused_also_when_a_worker_is_parked(full):
    full.park("w2", types=("other",))
    before = full.snapshot()
    with pytest.raises(QueueFullError):
        full.queue.submit_job("other")
    assert full.snapshot() == before


def test_a_submit_works_again_when_there_is_memory(full, own_server):
    with pytest.raises(QueueFullError):
        full.queue.submit_job("t", job_id="new")
    own_server.client().config_set("maxmemory", "0")
    assert full.queue.submit_job("t", job_id="new") == "new"
    assert full.queue.doctor() == []


def test_reads_work(full):
    assert full.queue.get_job("running") and len(full.queue.list_jobs()) == 4
    assert full.queue.stats().counts[JobStatus.PROCESSING] == 1


# What must go on, so that memory gets free and no running job is lost.
GOES_ON = {
    "complete": lambda s: s.complete("running", s.token, s.token, codec.pack({"a": 1}, "result", 99)),
    "complete a waiting job": lambda s: s.complete("waiting"),
    "fail": lambda s: s.fail("running", s.token, s.token, max_retries=3),
    "fail for good": lambda s: s.fail("running", s.token, s.token),
    "cancel": lambda s: s.cancel("waiting"),
    "turn": lambda s: s.turn([Outcome("running", s.token, "completed", b"\xc0")], 1),
    "claim": lambda s: s.claim(1),
    "park": lambda s: s.park(known=("running",), tend_limit=100),
    "park with nothing to do": lambda s: s.park("w9", types=("none",)),
    "adopt": lambda s: s.adopt(),
    "leave": lambda s: s.leave(),
    "lose": lambda s: s.bury(),
    "heartbeat": lambda s: s.heartbeat(held=(("running", s.token),)),
    "progress": lambda s: s.progress("running", 50, s.token),
    "promote": lambda s: s.promote(),
    "recover": lambda s: s.recover(),
    "retry": lambda s: s.retry("failed"),
    "cleanup": lambda s: s.cleanup(),
    "cleanup of finished jobs": lambda s: s.cleanup(finished_before_ms=0),
}


@pytest.mark.parametrize("name", GOES_ON)
def test_what_is_under_way_goes_on(full, name):
    GOES_ON[name](full)
    assert full.queue.doctor() == []


# --- when it can't write --------------------------------------------------------------------------


def _replica_of_nobody(client):
    client.execute_command("REPLICAOF", "127.0.0.1", "1")


def _replica_without_its_master(client):
    client.config_set("replica-serve-stale-data", "no")
    _replica_of_nobody(client)


def _replicas_are_missing(client):
    client.config_set("min-replicas-to-write", "1")


@pytest.mark.parametrize("happened", [_replica_of_nobody, _replica_without_its_master, _replicas_are_missing])
def test_a_server_that_can_t_write_is_unavailable_by_name(own_server, happened):
    """LESSONS 25: after a failover the old master is a read-only replica."""
    queue = RedisJobQueue(replace(own_server.config, retry_on_timeout=False))
    queue.connect()
    queue.submit_job("t")
    happened(own_server.client())
    with pytest.raises(QueueUnavailableError, match="can't write now"):
        queue.submit_job("t")
    queue.close()


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        (
            redis_errors.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
            QueueFullError,
        ),
        (redis_errors.ReadOnlyError("You can't write against a read only replica."), QueueUnavailableError),
        (redis_errors.BusyLoadingError("Redis is loading the dataset in memory"), QueueUnavailableError),
        (
            redis_errors.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
            QueueUnavailableError,
        ),
        (redis_errors.ConnectionError("refused"), QueueUnavailableError),
        (redis_errors.AuthenticationError("wrong password"), QueueRefusedError),
        (redis_errors.TimeoutError("Timeout reading from socket"), QueueTimeoutError),
        (redis_errors.ResponseError("WRONGTYPE Operation against a key"), ScriptFailedError),
    ],
)
def test_each_error_of_redis_py_has_one_of_ours(said, raised):
    assert type(translate(said, JobConfig(), "submit")) is raised


def test_a_script_that_fails_on_a_damaged_key_names_its_line(queue):
    client_of(queue.config).set(queue.tag + "seq", "not a number")
    with pytest.raises(ScriptFailedError, match=r"^submit_one: .*lua/submit_one\.lua:\d+"):
        queue.submit_job("t")


def test_health_shows_whether_scripts_run(own_server):
    """LESSONS 24: PING being answered is not enough."""
    queue = RedisJobQueue(own_server.config)
    assert queue.health_check()
    own_server.kill()
    assert not queue.health_check()
    own_server.start()
    assert queue.health_check()
    queue.close()
