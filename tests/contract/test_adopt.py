"""lua/adopt.lua: a worker takes over what stands in its own lists."""

from __future__ import annotations

import pytest

from tests.support.contract import IN_INBOX, LEASE_MS, PICKED_UP, PROCESSING, STATES

HANDED_OVER = (IN_INBOX, PICKED_UP)


@pytest.mark.parametrize("state", STATES)
def test_it_gives_what_stands_in_the_worker_s_lists(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    adopted = [c.job_id for c in stage.adopt()]
    if state in (*HANDED_OVER, PROCESSING):
        assert adopted == [job_id]
        assert stage.places(job_id) == ["leases", "processing:w1"]
        assert stage.job(job_id).status.value == "processing"
    else:
        assert adopted == []


@pytest.mark.parametrize("state", (*HANDED_OVER, PROCESSING))
def test_sent_twice_it_gives_the_same(either_stage, state):
    """LESSONS 1: a lost reply loses no job."""
    stage = either_stage
    stage.job_in(state)
    (first,) = stage.adopt()
    before = stage.snapshot()
    (second,) = stage.adopt()
    assert (second.job_id, second.token) == (first.job_id, first.token)
    assert second.job() == first.job()
    assert stage.snapshot() == before


@pytest.mark.parametrize("state", HANDED_OVER)
def test_a_job_that_was_handed_over_starts_its_first_attempt(stage, state):
    job_id = stage.job_in(state)
    stage.clock.advance(1)
    (claimed,) = stage.adopt()
    assert (claimed.job().attempt, claimed.token.rpartition(".")[2]) == (1, "1")
    assert claimed.job() == stage.job(job_id)
    assert stage.client.zscore(stage.tag + "leases", job_id) == stage.clock.now_ms + LEASE_MS


def test_a_job_that_runs_keeps_its_attempt_and_gets_a_new_lease(stage):
    job_id = stage.job_in(PROCESSING)
    token = stage.field(job_id, "seq") + ".1"
    stage.clock.advance(9)
    (claimed,) = stage.adopt()
    assert claimed.token == token
    stage.clock.advance(9)
    assert stage.recover() == 0
    assert stage.complete(job_id, token).value == "completed"


def test_what_the_worker_knows_is_not_given_again(stage):
    known = stage.job_in(PROCESSING)
    handed_over = stage.job_in(IN_INBOX)
    assert [c.job_id for c in stage.adopt(known=(known,))] == [handed_over]
    assert stage.adopt(known=(known, handed_over)) == []


def test_another_worker_s_jobs_are_not_given(stage):
    stage.job_in(PICKED_UP)
    assert stage.adopt("w2") == []


@pytest.mark.parametrize("state", (*HANDED_OVER, PROCESSING))
def test_a_job_that_was_taken_back_is_not_given(stage, state):
    job_id = stage.job_in(state)
    stage.clock.advance(LEASE_MS / 1000)
    stage.recover()
    assert stage.adopt() == []
    assert stage.places(job_id) == ["lane"]


def test_an_id_that_was_moved_after_its_job_was_taken_back_is_dropped(stage):
    """A BLMOVE may find what a recovery in the same moment has given to someone else."""
    job_id = stage.job_in(PICKED_UP)
    stage.clock.advance(2)
    stage.park("w2")
    stage.recover()
    stage.client.rpush(stage.tag + "processing:w1", job_id)
    stage.check = False
    assert stage.adopt() == []
    assert stage.queue.doctor() == []
    assert stage.places(job_id) == ["inbox:w2", "leases"]


@pytest.mark.parametrize("state", HANDED_OVER)
def test_a_job_whose_ttl_has_passed_is_cancelled_instead(stage, state):
    job_id = stage.job_in(state, ttl_ms=1000)
    stage.clock.advance(1)
    assert stage.adopt() == []
    job = stage.job(job_id)
    assert (job.status.value, job.error) == ("cancelled", "expired before it started")


def test_it_ends_the_worker_s_waiting(stage):
    stage.park()
    stage.adopt()
    assert stage.places(stage.submit()) == ["lane"]


def test_what_was_handed_over_is_given_though_its_id_is_known(stage):
    """A worker that still runs an attempt which lost its lease is handed the job anew."""
    job_id = stage.submit()
    old = stage.claim_one()
    stage.clock.advance(9)
    stage.park(known=(job_id,))
    stage.clock.advance(2)
    stage.recover()
    assert stage.places(job_id) == ["inbox:w1", "leases"]
    (new,) = stage.adopt(known=(job_id,))
    assert (new.job_id, new.token != old.token) == (job_id, True)
