"""lua/cancel.lua: a job isn't wanted any more."""

from __future__ import annotations

import pytest

from faciliter_jobs import keys
from tests.support.contract import IN_INBOX, MISSING, PENDING_STATES, PICKED_UP, PROCESSING, STATES, WORKER


@pytest.mark.parametrize("state", STATES)
def test_any_unfinished_job_is_cancelled(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    word = stage.cancel(job_id, reason="not needed").value
    if state in (PROCESSING, *PENDING_STATES):
        assert word == "cancelled"
        job = stage.job(job_id)
        assert (job.status.value, job.error) == ("cancelled", "not needed")
        assert job.finished_at is not None
        assert stage.places(job_id) == ["cancelled"]
    else:
        assert word == ("missing" if state == MISSING else "finished")
        assert stage.snapshot() == before


@pytest.mark.parametrize("state", STATES)
def test_sent_twice_it_is_done_once(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    first = stage.cancel(job_id).value
    before = stage.snapshot()
    stage.clock.advance(1)
    assert stage.cancel(job_id, reason="other").value == ("already" if first == "cancelled" else first)
    assert stage.snapshot() == before


def test_another_call_is_refused(stage):
    job_id = stage.job_in(PROCESSING)
    stage.cancel(job_id, op="one")
    assert stage.cancel(job_id, op="two").value == "finished"


def test_what_the_running_attempt_does_later_is_stale(stage):
    """LESSONS 17."""
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.cancel(job_id)
    before = stage.snapshot()
    assert stage.complete(job_id, token, token).value == "stale"
    assert stage.fail(job_id, token, token, max_retries=3).value == "stale"
    assert stage.progress(job_id, 50, token).value == "stale"
    assert stage.snapshot() == before


def test_the_heartbeat_tells_the_worker(stage):
    """LESSONS 17: the cancellation is seen by lease renewal."""
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.cancel(job_id)
    assert stage.heartbeat(held=((job_id, token),)) == [job_id]


def test_the_worker_that_runs_it_is_told_at_once_and_once(stage):
    """LESSONS 17."""
    job_id = stage.submit()
    token = stage.claim_one().token
    with stage.client.pubsub(ignore_subscribe_messages=True) as told:
        told.subscribe(keys.tell(stage.tag, WORKER))
        assert told.get_message(timeout=5) is None  # the subscription's own
        stage.cancel(job_id, op="one")
        stage.cancel(job_id, op="one")
        assert told.get_message(timeout=5)["data"] == f"{token} {job_id}".encode()
        assert told.get_message(timeout=0.05) is None


@pytest.mark.parametrize("state", PENDING_STATES)
def test_nobody_is_told_of_a_job_that_does_not_run(stage, state):
    job_id = stage.job_in(state)
    with stage.client.pubsub(ignore_subscribe_messages=True) as told:
        told.psubscribe(keys.tell(stage.tag, "*"))
        assert told.get_message(timeout=5) is None
        stage.cancel(job_id)
        assert told.get_message(timeout=0.05) is None


@pytest.mark.parametrize("state", (IN_INBOX, PICKED_UP))
def test_a_worker_that_was_handed_it_finds_nothing_any_more(stage, state):
    stage.cancel(stage.job_in(state))
    assert stage.adopt() == []


def test_others_of_the_lane_stay_in_order(stage):
    ids = stage.submit_many(5)
    stage.cancel(ids[0], op="a")
    stage.cancel(ids[2], op="b")
    assert [c.job_id for c in stage.claim(10)] == [ids[1], ids[3], ids[4]]


def test_the_last_job_of_a_company_takes_it_off_the_ring(stage):
    stage.cancel(stage.submit(company="A"))
    other = stage.submit(company="B")
    assert stage.queue.stats().waiting == {"t": 1}
    assert [c.job_id for c in stage.claim(10)] == [other]


def test_a_copy_that_arrives_after_a_later_call_is_taken_for_a_new_one(stage):
    """The record keeps the last call from outside only: docs/guarantees.md says so."""
    job_id = stage.job_in(PROCESSING)
    stage.cancel(job_id, op="one")
    assert stage.cancel(job_id, op="one").value == "already"
    stage.retry(job_id, op="two")
    assert stage.cancel(job_id, op="one").value == "cancelled"
