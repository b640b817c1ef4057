"""lua/fail.lua: an attempt ends badly, and the job is tried again or is a dead letter."""

from __future__ import annotations

import pytest

from tests.support.contract import IN_INBOX, MISSING, PENDING_STATES, PROCESSING, STATES


@pytest.mark.parametrize("state", STATES)
def test_from_outside_any_unfinished_job_fails_for_good(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state, max_retries=5)
    before = stage.snapshot()
    word = stage.fail(job_id, error="no use").value
    if state in (PROCESSING, *PENDING_STATES):
        assert word == "failed"
        job = stage.job(job_id)
        assert (job.status.value, job.error) == ("failed", "no use")
        assert job.metadata == {"last_error": "no use"}
        assert stage.places(job_id) == ["failed"]
    else:
        assert word == ("missing" if state == MISSING else "finished")
        assert stage.snapshot() == before


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("max_retries", [-1, 3, None])
def test_sent_twice_it_is_done_once(either_stage, state, max_retries):
    stage = either_stage
    job_id = stage.job_in(state)
    first = stage.fail(job_id, max_retries=max_retries).value
    before = stage.snapshot()
    stage.clock.advance(1)
    again = stage.fail(job_id, error="other", max_retries=max_retries).value
    assert again == ("already" if first in ("failed", "retrying") else first)
    assert stage.snapshot() == before


@pytest.mark.parametrize(("delay_ms", "place"), [(0, "lane"), (1, "scheduled"), (30_000, "scheduled")])
def test_while_retries_are_left_it_waits_for_the_next(either_stage, delay_ms, place):
    stage = either_stage
    job_id = stage.submit()
    token = stage.claim_one().token
    word = stage.fail(
        job_id, token, token, error="ValueError: x", traceback="tb", delay_ms=delay_ms, max_retries=3
    ).value
    assert (word, stage.places(job_id)) == ("retrying", [place])
    job = stage.job(job_id)
    assert (job.status.value, job.error, job.worker) == ("pending", None, None)
    assert job.metadata == {"retry_count": 1, "last_error": "ValueError: x"}
    assert job.traceback == "tb"
    if delay_ms:
        assert stage.client.zscore(stage.tag + "scheduled", job_id) == stage.clock.now_ms + delay_ms


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_max_retries_n_means_n_plus_one_runs(stage, max_retries):
    job_id = stage.submit()
    words = []
    while stage.job(job_id).status.value == "pending":
        token = stage.claim_one().token
        words.append(stage.fail(job_id, token, token, max_retries=max_retries).value)
    assert words == ["retrying"] * max_retries + ["failed"]
    assert stage.job(job_id).attempt == max_retries + 1
    assert stage.job(job_id).retry_count == max_retries


@pytest.mark.parametrize(("own", "runs"), [(0, 1), (1, 2), (5, 6)])
def test_the_job_s_own_max_retries_goes_before_the_worker_s(stage, own, runs):
    job_id = stage.submit(max_retries=own)
    while stage.job(job_id).status.value == "pending":
        token = stage.claim_one().token
        stage.fail(job_id, token, token, max_retries=3)
    assert stage.job(job_id).attempt == runs


@pytest.mark.parametrize("own", [None, 5])
def test_minus_one_means_never_again_whatever_the_job_says(stage, own):
    job_id = stage.submit(max_retries=own)
    token = stage.claim_one().token
    assert stage.fail(job_id, token, token, max_retries=-1).value == "failed"


@pytest.mark.parametrize("own", [None, 0, 5])
def test_without_a_limit_it_is_tried_again_whatever_is_used_up_and_no_retry_is_counted(either_stage, own):
    stage = either_stage
    job_id = stage.submit(max_retries=own)
    for attempt in (1, 2, 3):
        stage.claim_one()
        word = stage.fail(job_id, op=f"op-{attempt}", error="run it again", max_retries=None).value
        assert (word, stage.places(job_id)) == ("retrying", ["lane"])
        job = stage.job(job_id)
        assert (job.attempt, job.error, job.metadata) == (attempt, None, {"last_error": "run it again"})


@pytest.mark.parametrize("state", PENDING_STATES)
def test_without_a_limit_a_job_that_waits_is_left_alone(stage, state):
    job_id = stage.job_in(state)
    before = stage.snapshot()
    assert stage.fail(job_id, max_retries=None).value == "pending"
    assert stage.snapshot() == before


def test_without_a_limit_a_copy_that_comes_late_leaves_the_next_attempt_alone(stage):
    job_id = stage.submit(max_retries=0)
    stage.claim_one()
    assert stage.fail(job_id, max_retries=None).value == "retrying"
    token = stage.claim_one("w2").token
    assert stage.fail(job_id, max_retries=None).value == "already"
    assert stage.complete(job_id, token, token).value == "completed"


@pytest.mark.parametrize("state", STATES)
def test_a_token_of_another_attempt_is_stale(stage, state):
    job_id = stage.job_in(state)
    before = stage.snapshot()
    word = stage.fail(job_id, "999.1", "999.1", max_retries=3).value
    assert word == ("missing" if state == MISSING else "stale")
    assert stage.snapshot() == before


def test_a_lost_attempt_cannot_fail_the_next_one(stage):
    """LESSONS 8."""
    job_id = stage.submit()
    lost = stage.claim_one().token
    stage.lose(job_id)
    stage.claim_one("w2")
    assert stage.fail(job_id, lost, lost).value == "stale"
    assert stage.job(job_id).status.value == "processing"


def test_a_retried_attempt_s_failure_sent_again_says_already_until_the_next_attempt(stage):
    job_id = stage.submit()
    first = stage.claim_one().token
    stage.fail(job_id, first, first, max_retries=3)
    assert stage.fail(job_id, first, first, max_retries=3).value == "already"
    second = stage.claim_one().token
    assert stage.fail(job_id, first, first, max_retries=3).value == "stale"
    stage.fail(job_id, second, second, max_retries=3)
    assert stage.fail(job_id, first, first, max_retries=3).value == "stale"
    assert stage.job(job_id).retry_count == 2


def test_a_retry_without_delay_keeps_its_place_in_the_lane(stage):
    first, second = stage.submit_many(2)
    token = stage.claim_one().token
    stage.fail(first, token, token, max_retries=3)
    assert [c.job_id for c in stage.claim(2)] == [first, second]


def test_a_retry_without_delay_is_handed_to_a_parked_worker(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.park("w2")
    stage.fail(job_id, token, token, max_retries=3)
    assert stage.places(job_id) == ["inbox:w2", "leases"]


def test_a_hand_over_that_was_failed_from_outside_was_no_attempt(stage):
    job_id = stage.job_in(IN_INBOX)
    stage.fail(job_id, max_retries=3)
    assert stage.job(job_id).attempt == 0
    stage.claim_one("w9")
    assert stage.job(job_id).attempt == 1


def test_the_ttl_of_a_retry_counts_from_its_due_time(stage):
    job_id = stage.submit(ttl_ms=1_000)
    token = stage.claim_one().token
    stage.fail(job_id, token, token, delay_ms=60_000, max_retries=3)
    stage.clock.advance(60)
    assert (stage.cleanup().expired, stage.promote()[0]) == (0, 1)
    assert stage.claim_one().job_id == job_id


def test_a_failed_job_is_a_dead_letter_until_its_ttl(stage):
    job_id = stage.submit(ttl_ms=5_000)
    stage.fail(job_id)
    assert stage.places(job_id) == ["failed"]
    stage.clock.advance(5)
    stage.cleanup()
    assert stage.leftovers() == []
