"""doctor(repair=True): every kind of damage is found, mended as the record says, and costs no job."""

from __future__ import annotations

import pytest

from faciliter_jobs import JobStatus, codec
from tests.abuse.conftest import stage
from tests.contract.test_check_jobs import DAMAGE as OF_A_JOB
from tests.contract.test_check_jobs import LANE
from tests.support.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_INBOX,
    IN_LANE,
    PICKED_UP,
    PROCESSING,
    SCHEDULED,
    STATES,
    Stage,
)

__all__ = ["stage"]

GHOST = "ghost"
FAR = "99999999999999"

# state -> what somebody does to it -> what the doctor says
OF_STRUCTURES = [
    *[
        (IN_LANE, ("ZADD", name, "1", GHOST), f"ghost: in {name} without a record")
        for name in (
            "index",
            "index:company:x",
            "index:user:ann",
            "index:both:1:x:ann",
            "scheduled",
            "leases",
        )
    ],
    *[
        (IN_LANE, ("ZADD", name, "1", GHOST), f"ghost: in {name} without a record")
        for name in ("completed", "failed", "cancelled", LANE, "lane:0:1:u:acme", "lane:nonsense")
    ],
    *[
        (PROCESSING, ("RPUSH", name, GHOST), f"ghost: in {name} without a record")
        for name in ("inbox:w1", "processing:w1", "processing:nobody")
    ],
    (IN_LANE, ("RPUSH", "processing:w9", "ID"), "in processing:w9 but pending"),
    (IN_LANE, ("ZADD", "lane:0:1:t:other", "1", "ID"), "in lane:0:1:t:other but pending"),
    (PROCESSING, ("LMOVE", "processing:w1", "TAGinbox:w1", "LEFT", "LEFT"), "in the inbox of its worker"),
    (PROCESSING, ("ZADD", "index:company:other", "1", "ID"), "in index:company:other but processing"),
    (IN_LANE, ("HSET", "job:ID", "worker", "w1"), "handed to a worker that does not hold it"),
    (IN_LANE, ("ZADD", "ring:0:t", "9", "nobody"), "nobody: in ring:0:t without a lane"),
    (IN_LANE, ("ZADD", "ring:nonsense", "9", "acme"), "acme: in ring:nonsense without a lane"),
    (IN_LANE, ("SADD", "types", "nothing"), "nothing: in types without a waiting job"),
    (IN_LANE, ("HSET", "homes", "nobody", "x"), "nobody: in homes without a job"),
    (IN_LANE, ("ZADD", "expiry", "1", "soon"), "soon: in expiry but no chunk"),
    (IN_LANE, ("ZADD", "workers", FAR, "w7"), "w7: in workers as alive for years"),
    (IN_LANE, ("ZADD", "parked", FAR, "w7"), "w7: in parked for longer than any worker waits"),
    (IN_LANE, ("ZADD", "parked", "1", "w7"), "w7: in parked but long gone"),
    (IN_LANE, ("HSET", "worker:w7", "info", "{}"), "worker:w7: of a worker that is not registered"),
    (IN_LANE, ("SET", "seq", "0"), "seq: the last submission number is behind"),
    (IN_LANE, ("SET", "seq", "many"), "seq: the last submission number is behind"),
    (COMPLETED, ("DEL", "seq"), "seq: the last submission number is behind"),
    (SCHEDULED, ("ZADD", "scheduled", FAR, "ID"), "scheduled for another time"),
    (SCHEDULED, ("DEL", "scheduled"), "0 scheduled"),
    (IN_INBOX, ("DEL", "inbox:w1"), "in 0 lists of a worker"),
    (PROCESSING, ("DEL", "leases"), "held by a worker without a lease"),
    (PROCESSING, ("ZADD", "leases", FAR, "ID"), "leased for longer than any lease lasts"),
    (COMPLETED, ("RPUSH", "processing:w1", "ID"), "in processing:w1 but completed"),
]
OF_RECORDS = [
    (state, damage, "its record is damaged")
    for state in (IN_LANE, SCHEDULED, IN_INBOX, PICKED_UP, PROCESSING, COMPLETED, FAILED, CANCELLED)
    for damage in (("HDEL", "job:ID", "ttl"), ("HSET", "job:ID", "seq", "x"), ("HDEL", "job:ID", "status"))
]
OF_FIELDS = [
    (IN_LANE, ("HSET", "job:ID", "in", "\x93\x01"), "input_data: can't be decoded"),
    (SCHEDULED, ("HSET", "job:ID", "metadata", "\x91\x01"), "metadata: expected a dict, found list"),
    (IN_INBOX, ("HSET", "job:ID", "in", ""), "input_data: can't be decoded"),
    (COMPLETED, ("HSET", "job:ID", "result", "\x93\x01"), "result: can't be decoded"),
    (FAILED, ("HSET", "job:ID", "progress", "half"), "progress: invalid literal"),
    (CANCELLED, ("HSET", "job:ID", "started_at", "today"), "started_at: invalid literal"),
    (IN_LANE, ("HSET", "job:ID", "retry_delay_ms", "1.5"), "retry_delay_ms: invalid literal"),
    (COMPLETED, ("HSET", "job:ID", "type", b"\xff"), "type: 'utf-8' codec"),
]
OF_TYPES = [
    (state, ("SET", name, "x"), f"{name}: is a string, not a ")
    for state, name in [
        (IN_LANE, LANE),
        (IN_LANE, "index"),
        (IN_LANE, "index:company:acme"),
        (IN_LANE, "index:user:ann"),
        (IN_LANE, "ring:0:t"),
        (IN_LANE, "types"),
        (IN_LANE, "homes"),
        (IN_LANE, "expiry"),
        (IN_LANE, "workers"),
        (IN_LANE, "worker:w1"),
        (IN_LANE, "parked"),
        (SCHEDULED, "scheduled"),
        (IN_INBOX, "inbox:w1"),
        (PROCESSING, "processing:w1"),
        (PROCESSING, "leases"),
        (COMPLETED, "completed"),
        (FAILED, "failed"),
        (CANCELLED, "cancelled"),
    ]
] + [
    (IN_LANE, ("RPUSH", "seq", "x"), "seq: is a list, not a string"),
    (IN_LANE, ("SET", "job:ID", "x"), "its record is damaged"),
    (COMPLETED, ("RPUSH", "job:ID", "x"), "its record is damaged"),
]
DAMAGE = [*OF_A_JOB, *OF_STRUCTURES, *OF_RECORDS, *OF_FIELDS, *OF_TYPES]


def plant(stage: Stage, job_id: str, damage: tuple) -> None:
    stage.check = False
    command, key, *rest = (
        part if type(part) is bytes else part.replace("ID", job_id).replace("TAG", stage.tag)
        for part in damage
    )
    if command in ("SET", "RPUSH") and not key.startswith(("inbox", "processing")):
        stage.client.delete(stage.tag + key)
    stage.client.execute_command(
        command,
        stage.tag + key,
        *(part.encode("latin-1") if type(part) is str and part[:1] > "\x7f" else part for part in rest),
    )


def run_all(stage: Stage) -> dict[str, int]:
    """A worker runs whatever there is to run. Returns how often each job was completed."""
    runs: dict[str, int] = {}
    for _ in range(3):
        stage.clock.advance(120)
        stage.recover()
        stage.promote()
        while claims := [*stage.adopt("w5"), *stage.claim(50, "w5", ())]:
            for claimed in claims:
                ending = stage.complete(claimed.job_id, claimed.token, claimed.token)
                runs[claimed.job_id] = runs.get(claimed.job_id, 0) + ending.accepted
    return runs


@pytest.mark.parametrize(
    ("state", "damage", "said"), DAMAGE, ids=lambda v: repr(v) if type(v) is tuple else ""
)
def test_it_is_found_and_mended_and_every_job_ends_once(stage, state, damage, said):
    """LESSONS 12, 41."""
    job_id = stage.job_in(state)
    result = stage.job(job_id).result
    plant(stage, job_id, damage)
    found = stage.queue.doctor()
    assert any(said in str(problem) for problem in found), found
    assert all(problem.kind and not problem.mended for problem in found)

    mended = stage.queue.doctor(repair=True)
    assert [str(problem) for problem in mended if not problem.mended] == []
    assert mended
    assert stage.queue.doctor() == []
    assert stage.queue.doctor(repair=True) == []

    runs = run_all(stage)
    assert all(count == 1 for count in runs.values())
    assert stage.job(job_id).status.is_terminal
    if state == COMPLETED and "result" not in damage and damage[0] in ("HSET", "HDEL", "ZREM", "ZADD", "DEL"):
        assert stage.job(job_id).result == result
    assert stage.queue.doctor() == []


@pytest.mark.parametrize("state", STATES)
def test_a_sound_queue_is_left_as_it_is(stage, state):
    stage.job_in(state)
    before = stage.snapshot()
    assert stage.queue.doctor(repair=True) == []
    assert stage.snapshot() == before


@pytest.mark.parametrize(
    ("damage", "ends"),
    [
        (("HDEL", "ttl"), "completed"),
        (("HSET", "seq", "x"), "completed"),
        (("HDEL", "type"), "completed"),
        (("HSET", "status", "done"), "completed"),
        (("HDEL", "status"), "completed"),
    ],
)
def test_a_result_outlives_the_damage_of_its_record(stage, damage, ends):
    job_id = stage.submit()
    stage.complete(job_id, result=codec.pack({"a": 1}, "result", 99))
    plant(stage, job_id, (damage[0], "job:ID", *damage[1:]))
    stage.queue.doctor(repair=True)
    job = stage.job(job_id)
    assert (job.status.value, job.result) == (ends, {"a": 1})
    assert stage.queue.doctor() == []


def test_a_running_job_keeps_its_attempt(stage):
    """Its worker knows nothing of the damage, and reports as ever."""
    job_id = stage.job_in(PROCESSING)
    token = "1.1"
    for damage in (("DEL", "processing:w1"), ("DEL", "leases"), ("ZADD", LANE, "1", "ID")):
        plant(stage, job_id, damage)
    stage.queue.doctor(repair=True)
    assert stage.places(job_id) == ["leases", "processing:w1"]
    assert stage.complete(job_id, token, token).value == "completed"
    assert stage.queue.doctor() == []


def test_a_running_job_whose_lease_was_lost_has_until_its_worker_is_gone(stage):
    stage.heartbeat(alive_ms=90_000)
    job_id = stage.job_in(PROCESSING)
    plant(stage, job_id, ("DEL", "leases"))
    stage.queue.doctor(repair=True)
    stage.clock.advance(80)
    stage.recover()
    assert stage.job(job_id).status is JobStatus.PROCESSING
    stage.clock.advance(11)
    stage.recover()
    assert stage.job(job_id).status is JobStatus.PENDING


def test_what_is_set_aside_can_be_looked_at(stage):
    job_id = stage.job_in(COMPLETED)
    plant(stage, job_id, ("HSET", "job:ID", "result", "\x93\x01"))
    (problem,) = stage.queue.doctor(repair=True)
    name = problem.mended.rpartition("set aside as ")[2]
    assert stage.client.hgetall(stage.tag + name) == {b"result": b"\x93\x01"}
    assert stage.client.ttl(stage.tag + name) > 6 * 86400
    job = stage.job(job_id)
    assert (job.status, job.result) == (JobStatus.COMPLETED, None)
    assert job.error.startswith("damaged record: result: can't be decoded")


def test_a_payload_in_pieces_is_set_aside_whole(stage):
    job_id = stage.submit(input=codec.pack({"text": "x" * 200}, "in", 999))
    plant(stage, job_id, ("HSET", "job:ID", "in1", "short"))
    (problem,) = stage.queue.doctor(repair=True)
    name = problem.mended.rpartition("set aside as ")[2]
    assert sorted(stage.client.hgetall(stage.tag + name)) == [b"in", b"in1", b"in2", b"in3"]
    assert stage.job(job_id).status is JobStatus.FAILED
    assert stage.job(job_id).input_data is None


def test_a_field_that_changed_since_it_was_read_is_left(stage):
    from faciliter_jobs import scripts

    job_id = stage.submit(input=b"\x80")
    call = scripts.repair_field(stage.tag, job_id=job_id, field="in", sha1="0" * 40, reason="x")
    assert stage.run(call) == ""
    assert stage.job(job_id).status is JobStatus.PENDING


def test_damage_beyond_one_page_is_all_mended(stage):
    stage.check = False
    ids = stage.submit_many(700)
    stage.client.delete(
        stage.tag + LANE, stage.tag + "ring:0:t", stage.tag + "types", stage.tag + "index:user:ann"
    )
    stage.client.zadd(stage.tag + "scheduled", {f"ghost-{n}": n for n in range(500)})
    assert all(problem.mended for problem in stage.queue.doctor(repair=True))
    assert stage.queue.doctor() == []
    assert [c.job_id for c in stage.claim(700)] == ids


def test_keys_that_are_none_of_ours_are_left_alone(stage):
    stage.submit()
    stage.client.set(stage.tag + "a newer version's", "x")
    stage.client.set(stage.tag.rstrip("}") + "2}job:other queue's", "x")
    assert stage.queue.doctor(repair=True) == []
    assert stage.client.get(stage.tag + "a newer version's") == b"x"
