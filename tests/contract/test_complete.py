"""lua/complete.lua: a job ends well."""

from __future__ import annotations

import pytest

from faciliter_jobs import codec
from tests.support.contract import (
    IN_INBOX,
    MISSING,
    PENDING_STATES,
    PICKED_UP,
    PROCESSING,
    STATES,
    TERMINAL_STATES,
    TTL_MS,
)

RESULT = codec.pack({"answer": 42}, "result", 1000)


def word_from_outside(state: str) -> str:
    return "missing" if state == MISSING else "finished" if state in TERMINAL_STATES else "completed"


@pytest.mark.parametrize("state", STATES)
def test_from_outside_any_unfinished_job_is_completed(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    word = stage.complete(job_id, result=RESULT).value
    assert word == word_from_outside(state)
    if word == "completed":
        job = stage.job(job_id)
        assert (job.status.value, job.result, job.progress) == ("completed", {"answer": 42}, 100)
        assert stage.places(job_id) == ["completed"]
    else:
        assert stage.snapshot() == before


@pytest.mark.parametrize("state", STATES)
def test_sent_twice_it_is_done_once(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    first = stage.complete(job_id).value
    before = stage.snapshot()
    stage.clock.advance(1)
    again = stage.complete(job_id, result=RESULT).value
    assert again == ("already" if first == "completed" else first)
    assert stage.snapshot() == before


@pytest.mark.parametrize("state", [PROCESSING, *PENDING_STATES])
def test_another_call_is_refused_as_finished(stage, state):
    job_id = stage.job_in(state)
    stage.complete(job_id, op="one")
    before = stage.snapshot()
    assert stage.complete(job_id, op="two").value == "finished"
    assert stage.snapshot() == before


def test_the_attempt_completes_it_with_its_token(either_stage):
    stage = either_stage
    job_id = stage.submit()
    token = stage.claim_one().token
    assert stage.complete(job_id, token, token, RESULT).value == "completed"
    assert stage.complete(job_id, token, token, b"\xc0").value == "already"
    assert stage.job(job_id).result == {"answer": 42}


@pytest.mark.parametrize("state", STATES)
def test_a_token_of_another_attempt_is_stale(stage, state):
    job_id = stage.job_in(state)
    before = stage.snapshot()
    word = stage.complete(job_id, "999.1", "999.1").value
    assert word == ("missing" if state == MISSING else "stale")
    assert stage.snapshot() == before


def test_a_paused_worker_that_wakes_after_its_lease_cannot_commit(stage):
    """LESSONS 8."""
    job_id = stage.submit()
    paused = stage.claim_one("paused").token
    stage.lose(job_id)
    assert stage.complete(job_id, paused, paused, RESULT).value == "stale"
    current = stage.claim_one("w2").token
    assert stage.complete(job_id, paused, paused, RESULT).value == "stale"
    assert stage.complete(job_id, current, current, b"\xc0").value == "completed"
    assert stage.complete(job_id, paused, paused, RESULT).value == "stale"
    assert stage.job(job_id).result is None


def test_a_lapsed_lease_that_nobody_took_back_still_commits(stage):
    """The lease is a promise to others; while they haven't used it, the work isn't lost."""
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.clock.advance(3600)
    assert stage.complete(job_id, token, token).value == "completed"


def test_a_token_does_not_outlive_a_purge_and_a_new_submit_of_the_id(stage):
    job_id = stage.submit(job_id="same", ttl_ms=1000)
    old = stage.claim_one().token
    stage.complete(job_id, old, old)
    stage.clock.advance(1)
    assert stage.cleanup().purged == 1
    stage.submit(job_id="same")
    new = stage.claim_one().token
    assert new != old
    assert stage.complete(job_id, old, old).value == "stale"


@pytest.mark.parametrize("state", (IN_INBOX, PICKED_UP))
def test_a_worker_that_was_handed_it_finds_nothing_any_more(stage, state):
    job_id = stage.job_in(state)
    stage.complete(job_id)
    assert stage.adopt() == []


def test_the_last_job_of_a_lane_takes_its_company_off_the_ring(stage):
    job_id = stage.submit()
    stage.complete(job_id)
    assert [name for name in stage.names() if name.startswith(("lane", "ring", "types"))] == []


def test_the_record_is_kept_for_its_ttl_from_then(stage):
    job_id = stage.submit()
    stage.claim_one()
    stage.clock.advance(100)
    stage.complete(job_id)
    assert stage.expires_at(job_id) == stage.clock.now_ms + TTL_MS
    assert stage.job(job_id).finished_at == "2027-01-15T08:01:40.000+00:00"
