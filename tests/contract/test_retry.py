"""lua/retry.lua: a dead letter, or a cancelled job, gets a new life."""

from __future__ import annotations

import pytest

from tests.support.contract import CANCELLED, COMPLETED, FAILED, MISSING, STATES, TTL_MS

RETRIED = (FAILED, CANCELLED)


@pytest.mark.parametrize("state", STATES)
def test_a_failed_or_cancelled_job_waits_again(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    word = stage.retry(job_id).value
    if state in RETRIED:
        assert (word, stage.places(job_id)) == ("pending", ["lane"])
    else:
        expected = {MISSING: "missing", COMPLETED: "finished"}.get(state, "unfinished")
        assert word == expected
        assert stage.snapshot() == before


@pytest.mark.parametrize("state", STATES)
def test_sent_twice_it_is_done_once(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    first = stage.retry(job_id).value
    before = stage.snapshot()
    stage.clock.advance(1)
    assert stage.retry(job_id).value == ("already" if first == "pending" else first)
    assert stage.snapshot() == before


@pytest.mark.parametrize("state", RETRIED)
def test_another_call_finds_it_unfinished(stage, state):
    job_id = stage.job_in(state)
    stage.retry(job_id, op="one")
    assert stage.retry(job_id, op="two").value == "unfinished"


def _dead_letter(stage):
    """A job that was lost once and failed until its retries were used up."""
    job_id = stage.submit(max_retries=2, input=b"\x81\xa1a\x01")
    stage.claim_one()
    stage.lose(job_id)
    while stage.job(job_id).status.value == "pending":
        token = stage.claim_one().token
        stage.progress(job_id, 60, token, "half way")
        stage.fail(job_id, token, token, traceback="tb", max_retries=2)
    return job_id


def test_it_has_all_its_retries_again(stage):
    """LESSONS 18: a replay resets the counters of losses and retries."""
    job_id = _dead_letter(stage)
    runs = stage.job(job_id).attempt
    stage.retry(job_id)
    assert (stage.field(job_id, "retries"), stage.field(job_id, "losses")) == (None, None)
    while stage.job(job_id).status.value == "pending":
        token = stage.claim_one().token
        stage.fail(job_id, token, token, max_retries=2)
    assert stage.job(job_id).attempt == runs + 3


def test_after_a_retry_it_does_not_run_alone_any_more(stage):
    job_id = _dead_letter(stage)
    stage.retry(job_id)
    other = stage.submit()
    assert [c.job_id for c in stage.claim(10)] == [job_id, other]


def test_what_the_failure_left_is_gone_and_what_the_producer_gave_is_kept(stage):
    job_id = _dead_letter(stage)
    stage.retry(job_id)
    job = stage.job(job_id)
    assert (job.error, job.traceback, job.finished_at, job.worker) == (None,) * 4
    assert (job.progress, job.progress_message, job.due_at) == (0, None, None)
    assert (job.input_data, job.max_retries, job.company_id) == ({"a": 1}, 2, "acme")
    assert job.retry_count == 0


def test_a_token_of_its_former_life_is_stale(stage):
    job_id = stage.submit()
    old = stage.claim_one().token
    stage.fail(job_id, old, old)
    stage.retry(job_id)
    stage.claim_one("w2")
    assert stage.complete(job_id, old, "another call").value == "stale"


def test_it_is_handed_to_a_parked_worker(stage):
    job_id = stage.job_in(FAILED)
    stage.park()
    stage.retry(job_id)
    assert stage.places(job_id) == ["inbox:w1", "leases"]


def test_its_ttl_counts_from_then(stage):
    job_id = stage.job_in(FAILED)
    stage.clock.advance(TTL_MS / 1000 - 1)
    stage.retry(job_id)
    stage.clock.advance(TTL_MS / 1000 - 1)
    assert stage.cleanup().expired == 0
    assert stage.claim_one().job_id == job_id
