"""lua/read/check_jobs.lua: each record is in exactly the places that its status says."""

from __future__ import annotations

import pytest

from faciliter_jobs import scripts
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
)

LANE = "lane:0:1:t:acme"


def _problems(stage, job_id):
    stage.check = False
    return [str(p) for p in stage.run(scripts.check_jobs(stage.tag, job_ids=[job_id]))]


@pytest.mark.parametrize("state", STATES)
def test_a_sound_job_has_no_problem_and_nothing_changes(either_stage, state):
    """LESSONS 35."""
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    assert _problems(stage, job_id) == []
    assert stage.snapshot() == before


# state -> what somebody does to it -> what the doctor says
DAMAGE = [
    (IN_LANE, ("ZREM", LANE, "ID"), "PENDING but in 0 lists of a worker, 0 lanes, 0 scheduled"),
    (IN_LANE, ("ZADD", "scheduled", "1", "ID"), "1 lanes, 1 scheduled"),
    (IN_LANE, ("ZADD", "leases", "1", "ID"), "has a lease but no worker holds it"),
    (IN_LANE, ("ZREM", "ring:0:t", "acme"), "its lane is missing from the ring"),
    (IN_LANE, ("SREM", "types", "t"), "its type is missing from the types"),
    (IN_LANE, ("ZADD", "completed", "1", "ID"), "stands in completed"),
    (IN_LANE, ("ZREM", "index", "ID"), "stands wrongly in"),
    (IN_LANE, ("ZADD", "index:company:acme", "-4e13", "ID"), "is listed by its lane, and by"),
    (IN_LANE, ("ZINCRBY", LANE, "1", "ID"), "lane:0:1:t:acme"),
    (IN_LANE, ("ZREM", "index:user:ann", "ID"), "index:user:ann"),
    (IN_LANE, ("HSET", "homes", "ann", "other"), "not the home of its user"),
    (IN_LANE, ("DEL", "expiry"), "its expiry is not watched"),
    (IN_LANE, ("ZADD", "expiry", "9e15", "0"), "its expiry is watched too late"),
    (SCHEDULED, ("ZREM", "scheduled", "ID"), "0 scheduled"),
    (SCHEDULED, ("ZADD", LANE, "1", "ID"), "1 lanes, 1 scheduled"),
    (SCHEDULED, ("ZINCRBY", "index:company:acme", "1", "ID"), "index:company:acme"),
    (IN_INBOX, ("ZREM", "index:company:acme", "ID"), "index:company:acme"),
    (IN_INBOX, ("ZREM", "leases", "ID"), "held by a worker without a lease"),
    (IN_INBOX, ("RPUSH", "processing:w1", "ID"), "in 2 lists of a worker"),
    (IN_INBOX, ("RPUSH", "inbox:w1", "ID"), "in 2 lists of a worker"),
    (PICKED_UP, ("LREM", "processing:w1", "0", "ID"), "in 0 lists of a worker"),
    (PROCESSING, ("ZREM", "leases", "ID"), "held by a worker without a lease"),
    (PROCESSING, ("DEL", "processing:w1"), "PROCESSING but in 0 lists of its worker"),
    (PROCESSING, ("RPUSH", "processing:w1", "ID"), "PROCESSING but in 2 lists of its worker"),
    (PROCESSING, ("ZADD", LANE, "1", "ID"), "PROCESSING but in 1 lists of its worker, 1 lanes"),
    (PROCESSING, ("ZADD", "index:user:ann", "-50000000000001", "ID"), "stands wrongly in"),
    (PROCESSING, ("HSET", "job:ID", "worker", "w2"), "PROCESSING but in 0 lists of its worker"),
    (COMPLETED, ("ZREM", "completed", "ID"), "is missing from completed"),
    (COMPLETED, ("ZADD", "failed", "1", "ID"), "stands in failed"),
    (COMPLETED, ("ZADD", LANE, "1", "ID"), "completed but still leased, scheduled or in a lane"),
    (FAILED, ("ZADD", "leases", "1", "ID"), "failed but still leased"),
    (CANCELLED, ("ZADD", "scheduled", "1", "ID"), "cancelled but still leased, scheduled"),
    (CANCELLED, ("HSET", "job:ID", "status", "failed"), "is missing from failed"),
]


@pytest.mark.parametrize(
    ("state", "damage", "said"), DAMAGE, ids=lambda v: " ".join(v) if type(v) is tuple else ""
)
def test_damage_is_found(stage, state, damage, said):
    job_id = stage.job_in(state)
    command, key, *arguments = (part.replace("ID", job_id) for part in damage)
    stage.client.execute_command(command, stage.tag + key, *arguments)
    problems = _problems(stage, job_id)
    assert any(said in problem for problem in problems), problems
    assert all(problem.startswith(f"{job_id}: ") for problem in problems)
    assert set(problems) <= {str(problem) for problem in stage.queue.doctor()}


def test_a_record_that_went_meanwhile_is_no_problem(stage):
    assert _problems(stage, "no-such-job") == []


def test_a_page_of_jobs_in_one_call(stage):
    ids = stage.submit_many(200)
    assert stage.run(scripts.check_jobs(stage.tag, job_ids=ids)) == []
