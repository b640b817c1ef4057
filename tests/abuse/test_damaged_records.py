"""A record that no transition can work with becomes FAILED with the reason, whoever meets it, and the
jobs beside it go on (LESSONS 41)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from faciliter_jobs.job import JobStatus
from faciliter_jobs.scripts import Outcome
from tests.support.contract import IN_LANE, LEASE_MS, PICKED_UP, PROCESSING, SCHEDULED, Stage
from tests.support.wait import until

# what somebody does to the record -> what is said of it
DAMAGES = [
    (("HDEL", "ttl"), "ttl is missing"),
    (("HDEL", "at"), "at is missing"),
    (("HDEL", "seq"), "seq is missing"),
    (("HDEL", "type"), "type is missing"),
    (("HDEL", "status"), "status is missing"),
    (("HSET", "status", "done"), "status is done"),
    (("HSET", "ttl", "soon"), "ttl is soon"),
    (("HSET", "at", "nan"), "at is nan"),
    (("HSET", "seq", "1e5"), "seq is 1e5"),
    (("HSET", "seq", "0"), "seq is 0"),
    (("HSET", "seq", "9" * 20), "seq is 99999999999999999999"),
    (("HSET", "attempt", "two"), "attempt is two"),
    (("HSET", "updated_at", ""), "updated_at is "),
    (("HSET", "due_at", "inf"), "due_at is inf"),
    (("HSET", "retries", "-1"), "retries is -1"),
    (("HSET", "max_retries", "1.5"), "max_retries is 1.5"),
    (("HSET", "losses", "x" * 100), "losses is " + "x" * 40),
    (("HSET", "returned", "0x"), "returned is 0x"),
    (("HSET", "priority", "7"), "priority is 7"),
    (("SET", "something else"), "its record was a string, now at quarantine:"),
    (("RPUSH", "a"), "its record was a list, now at quarantine:"),
    (("XADD", "*", "a", "b"), "its record was a stream, now at quarantine:"),
]


def _damage(stage: Stage, job_id: str, damage: tuple[str, ...]) -> None:
    key = stage.tag + "job:" + job_id
    if not damage[0].startswith("H"):
        stage.client.delete(key)
    stage.client.execute_command(damage[0], key, *damage[1:])
    stage.check = False


def _claim(stage: Stage) -> None:
    stage.claim(10)


def _park_and_adopt(stage: Stage) -> None:
    stage.adopt()


def _promote(stage: Stage) -> None:
    stage.clock.advance(61)
    stage.promote()


def _lease_passes(stage: Stage) -> None:
    stage.clock.advance(LEASE_MS / 1000 + 1)
    stage.recover()


def _worker_gone_and_lease_lost(stage: Stage) -> None:
    stage.heartbeat(alive_ms=1000)
    stage.client.delete(stage.tag + "leases")
    stage.clock.advance(2)
    stage.recover()


def _worker_leaves(stage: Stage) -> None:
    stage.leave()


def _aged(stage: Stage) -> None:
    stage.clock.advance(2 * 3_600_000 / 1000)
    stage.cleanup()


# the state in which the job is damaged -> who meets it
MEETINGS: list[tuple[str, Callable[[Stage], None]]] = [
    (IN_LANE, _claim),
    (PICKED_UP, _park_and_adopt),
    (PROCESSING, _park_and_adopt),
    (SCHEDULED, _promote),
    (PICKED_UP, _lease_passes),
    (PROCESSING, _lease_passes),
    (PROCESSING, _worker_gone_and_lease_lost),
    (PROCESSING, _worker_leaves),
    (IN_LANE, _aged),
    (PROCESSING, _aged),
]


# Every damage is met by two, and everyone meets five.
CASES = [
    (state, meet, damage, said)
    for i, (damage, said) in enumerate(DAMAGES)
    for j, (state, meet) in enumerate(MEETINGS)
    if (state, meet) in (MEETINGS[0], MEETINGS[5]) or (i + j) % 4 == 0
]


@pytest.mark.parametrize(
    ("state", "meet", "damage", "said"),
    CASES,
    ids=lambda v: v if type(v) is str else " ".join(v) if type(v) is tuple else v.__name__,
)
def test_a_damaged_record_fails_with_the_reason_and_the_others_go_on(stage, state, meet, damage, said):
    damaged = stage.job_in(state)
    other = stage.submit(ttl_ms=10 * 3_600_000)
    _damage(stage, damaged, damage)
    meet(stage)
    job = stage.job(damaged)
    assert job.status is JobStatus.FAILED
    assert job.error.startswith(f"damaged record: {said}"), job.error
    assert "failed" in stage.places(damaged)
    # When the record is all gone, or its type, nothing tells what else names the job: that is the doctor's.
    stale = [damaged] if damage == ("HDEL", "type") or not damage[0].startswith("H") else []
    assert {problem.subject for problem in stage.queue.doctor()} <= set(stale)
    assert [j.job_id for j in stage.queue.list_jobs(JobStatus.FAILED)] == [damaged]
    for claimed in stage.claim(10):
        assert claimed.job_id == other
    assert stage.job(other).status in (JobStatus.PROCESSING, JobStatus.PENDING)
    assert {problem.subject for problem in stage.queue.doctor()} <= set(stale)
    assert stage.job(damaged).status is JobStatus.FAILED


@pytest.mark.parametrize("damage", [("HSET", "retries", "many"), ("HSET", "max_retries", "all")])
def test_a_turn_that_fails_a_damaged_record_ends_the_others_too(stage, damage):
    damaged, other = stage.submit_many(2)
    claimed = stage.claim(2)
    _damage(stage, damaged, damage)
    outcomes = [Outcome(c.job_id, c.token, "failed", "broken", max_retries=3) for c in claimed]
    assert [ending.value for ending in stage.turn(outcomes).endings] == ["failed", "retrying"]
    assert stage.job(damaged).error.startswith("damaged record: ")
    assert stage.job(other).status is JobStatus.PENDING
    assert stage.queue.doctor() == []


@pytest.mark.parametrize("damage", [("HDEL", "ttl"), ("HSET", "at", "nan"), ("HSET", "due_at", "x")])
def test_a_turn_that_completes_a_damaged_record_keeps_its_result(stage, damage):
    stage.submit()
    claimed = stage.claim_one()
    _damage(stage, claimed.job_id, damage)
    outcome = Outcome(claimed.job_id, claimed.token, "completed", b"\xa4done")
    assert [ending.value for ending in stage.turn([outcome]).endings] == ["completed"]
    stage.clock.advance(3600)
    stage.cleanup()
    job = stage.job(claimed.job_id)
    assert (job.status, job.result) == (JobStatus.COMPLETED, "done")


@pytest.mark.parametrize("name", ["id", "key"])
def test_a_field_of_a_record_cannot_pose_as_another_record_s_key(stage, name):
    victim, hostile = stage.submit_many(2)
    stage.client.hset(stage.tag + "job:" + hostile, name, stage.tag + "job:" + victim)
    assert [c.job_id for c in stage.claim(2)] == [victim, hostile]
    assert [stage.job(i).attempt for i in (victim, hostile)] == [1, 1]


def test_what_was_in_the_way_is_kept_for_a_week(stage):
    job_id = stage.submit()
    _damage(stage, job_id, ("SET", "something else"))
    stage.claim(1)
    (name,) = [name for name in stage.names() if name.startswith("quarantine:")]
    assert name in stage.job(job_id).error
    assert stage.client.get(stage.tag + name) == b"something else"
    assert 6 * 86400 < stage.client.ttl(stage.tag + name) <= 7 * 86400


@pytest.mark.parametrize("damage", [("SET", "x"), ("DEL",), ("HDEL", "seq"), ("HSET", "seq", "x")])
def test_a_listing_of_many_pages_goes_on_past_damaged_records(stage, damage):
    stage.check = False
    ids = [job_id for _ in range(3) for job_id in stage.submit_many(400)]
    damaged = ids[::100]
    for job_id in damaged:
        _damage(stage, job_id, damage)
    listed = {job.job_id for job in stage.queue.list_jobs(limit=2000)}
    assert set(ids) - set(damaged) <= listed <= set(ids)


@pytest.mark.parametrize(
    "damage",
    [
        ("HSET", "in", "\xc1"),
        ("HSET", "progress", "half"),
        ("HSET", "retry_delay_ms", "x"),
        ("HSET", "started_at", ""),
    ],
)
def test_a_job_that_failed_can_be_read_whatever_else_is_wrong_with_it(stage, damage):
    job_id = stage.submit(input=b"\x80")
    _damage(stage, job_id, damage)
    _damage(stage, job_id, ("HSET", "ttl", "x"))
    stage.claim(1)
    job = stage.job(job_id)
    assert (job.status, job.error) == (JobStatus.FAILED, "damaged record: ttl is x")
    assert [j.error for j in stage.queue.list_jobs()] == [job.error]


def test_an_id_that_is_not_utf8_stops_no_worker(stage):
    job_id = stage.submit()
    stage.check = False
    stage.client.rename(stage.tag + "job:" + job_id, (stage.tag + "job:").encode() + b"\xff")
    stage.client.zadd(stage.tag + "lane:0:1:t:acme", {b"\xff": 1})
    assert [c.job_id for c in stage.claim(2)] == ["\N{REPLACEMENT CHARACTER}"]


PLAIN_FIELDS = (
    b"status type seq at ttl co u session attempt worker started_at progress progress_message "
    b"updated_at due_at retries losses returned last_error traceback max_retries retry_delay_ms "
    b"timeout_ms priority last_op away"
).split()


@pytest.mark.parametrize("value", [b"", b"x", b"-1", b"1e400", b"\xff\xfe", b"nan"])
@pytest.mark.parametrize("slots", [1, 3])
def test_a_worker_goes_on_whatever_stands_in_any_field(queue, run_worker, value, slots):
    """Every field of a record in turn, on a worker that serves every type."""
    ids = queue.submit_jobs([{"job_type": "t", "company_id": "c", "user_id": "u"} for _ in PLAIN_FIELDS])
    for job_id, field in zip(ids, PLAIN_FIELDS):
        queue.transport.command("HSET", f"{queue.tag}job:{job_id}", field, value)
    worker = run_worker({"t": lambda job: {}}, catch_all=True, concurrency=slots, max_retries=0)
    healthy = queue.submit_jobs([{"job_type": "t"} for _ in range(5)])
    until(lambda: all(queue.get_job(i).status.is_terminal for i in healthy), timeout=30)
    assert worker.is_running()
    assert [queue.get_job(i).status.value for i in healthy] == ["completed"] * 5
