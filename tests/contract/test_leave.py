"""lua/leave.lua: a worker stops, and what it holds goes back."""

from __future__ import annotations

import pytest

from tests.support.contract import IN_INBOX, PICKED_UP, PLACE_OF, PROCESSING, STATES

HELD = (IN_INBOX, PICKED_UP, PROCESSING)


@pytest.mark.parametrize("state", STATES)
def test_what_it_holds_goes_back_to_its_lane(either_stage, state):
    """LESSONS 6."""
    stage = either_stage
    job_id = stage.job_in(state)
    given_back = stage.leave()
    assert given_back == ([job_id] if state in HELD else [])
    assert stage.places(job_id) == (["lane"] if state in HELD else PLACE_OF[state])


@pytest.mark.parametrize("state", STATES)
def test_sent_twice_it_is_done_once(either_stage, state):
    stage = either_stage
    stage.job_in(state)
    stage.leave()
    before = stage.snapshot()
    stage.clock.advance(1)
    assert stage.leave() == []
    assert stage.snapshot() == before


@pytest.mark.parametrize("state", HELD)
def test_it_counts_as_no_attempt(stage, state):
    job_id = stage.job_in(state, max_retries=0)
    stage.leave()
    job = stage.job(job_id)
    assert (job.status.value, job.retry_count, job.worker, job.metadata) == ("pending", 0, None, None)
    assert stage.field(job_id, "losses") is None
    assert stage.claim_one("w2").job_id == job_id


@pytest.mark.parametrize("state", (IN_INBOX, PICKED_UP))
def test_a_hand_over_does_not_prolong_a_job_s_life(stage, state):
    job_id = stage.job_in(state)
    expires_at = stage.expires_at(job_id)
    stage.clock.advance(1)
    stage.leave()
    assert stage.expires_at(job_id) == expires_at


def test_lane_order_is_kept(stage):
    ids = stage.submit_many(6)
    stage.claim(4)
    assert sorted(stage.leave()) == ids[:4]
    assert [c.job_id for c in stage.claim(10)] == ids


def test_an_attempt_that_was_given_back_cannot_commit(stage):
    """LESSONS 8."""
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.leave()
    assert stage.complete(job_id, token, token).value == "stale"
    stage.claim_one("w2")
    assert stage.complete(job_id, token, token).value == "stale"


def test_a_job_goes_to_another_worker_that_is_parked(stage):
    job_id = stage.job_in(PROCESSING)
    stage.park("w2")
    stage.leave()
    assert stage.places(job_id) == ["inbox:w2", "leases"]


def test_it_is_not_handed_back_to_the_one_that_leaves(stage):
    job_id = stage.job_in(PROCESSING)
    stage.park(known=(job_id,))
    stage.leave()
    assert stage.places(job_id) == ["lane"]


def test_other_workers_keep_theirs(stage):
    mine, theirs = stage.submit_many(2)
    stage.claim_one("w1")
    stage.claim_one("w2")
    assert stage.leave("w1") == [mine]
    assert stage.places(theirs) == ["leases", "processing:w2"]


def test_the_worker_is_forgotten(stage):
    stage.park()
    stage.heartbeat()
    stage.leave()
    assert stage.queue.stats().workers == []
    assert set(stage.leftovers()) <= {"parked:t"}


def test_an_id_that_is_elsewhere_by_now_is_only_dropped_from_the_list(stage):
    job_id = stage.job_in(PROCESSING)
    stage.lose(job_id)
    stage.client.rpush(stage.tag + "processing:w1", job_id, "never-was")
    stage.check = False
    assert stage.leave() == []
    assert stage.queue.doctor() == []
    assert stage.places(job_id) == ["lane"]
