"""lua/progress.lua: how far a job is."""

from __future__ import annotations

import pytest

from tests.support.contract import MISSING, PENDING_STATES, PLACE_OF, PROCESSING, STATES


@pytest.mark.parametrize("state", STATES)
def test_from_outside_any_unfinished_job_has_progress(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    stage.clock.advance(1)
    word = stage.progress(job_id, 30, message="reading").value
    if state in (PROCESSING, *PENDING_STATES):
        job = stage.job(job_id)
        assert (word, job.progress, job.progress_message) == ("updated", 30, "reading")
        assert job.updated_at == "2027-01-15T08:00:01.000+00:00"
    else:
        assert word == ("missing" if state == MISSING else "finished")
        assert stage.snapshot() == before
    assert stage.places(job_id) == PLACE_OF[state]


@pytest.mark.parametrize("state", STATES)
def test_sent_twice_it_says_the_same(stage, state):
    job_id = stage.job_in(state)
    first = stage.progress(job_id, 30, message="reading")
    before = stage.snapshot()
    assert stage.progress(job_id, 30, message="reading") is first
    assert stage.snapshot() == before


@pytest.mark.parametrize("state", STATES)
def test_a_token_of_another_attempt_is_stale(stage, state):
    job_id = stage.job_in(state)
    before = stage.snapshot()
    word = stage.progress(job_id, 50, "999.1").value
    assert word == ("missing" if state == MISSING else "stale")
    assert stage.snapshot() == before


def test_a_lost_attempt_cannot_report_for_the_next(stage):
    """LESSONS 8."""
    job_id = stage.submit()
    lost = stage.claim_one().token
    stage.lose(job_id)
    current = stage.claim_one("w2").token
    assert stage.progress(job_id, 90, lost).value == "stale"
    assert stage.progress(job_id, 10, current).value == "updated"
    assert stage.job(job_id).progress == 10


@pytest.mark.parametrize(("backwards", "shown"), [(False, 60), (True, 20)])
def test_it_falls_only_when_told(stage, backwards, shown):
    job_id = stage.job_in(PROCESSING)
    stage.progress(job_id, 60)
    assert stage.progress(job_id, 20, backwards=backwards).value == "updated"
    assert stage.job(job_id).progress == shown


def test_a_new_attempt_starts_at_0(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.progress(job_id, 80, token)
    stage.fail(job_id, token, token, max_retries=3)
    stage.claim_one()
    assert stage.job(job_id).progress == 0


def test_an_empty_message_leaves_the_last(stage):
    job_id = stage.job_in(PROCESSING)
    stage.progress(job_id, 10, message="first")
    stage.progress(job_id, 20)
    assert stage.job(job_id).progress_message == "first"
