"""lua/turn.lua: a busy worker ends attempts and claims more in one call."""

from __future__ import annotations

import pytest

from faciliter_jobs import codec
from faciliter_jobs.scripts import Outcome
from tests.support.contract import (
    IN_INBOX,
    IN_LANE,
    MISSING,
    PICKED_UP,
    PLACE_OF,
    PROCESSING,
    SCHEDULED,
    STATES,
)

RESULT = codec.pack({"n": 1}, "result", 100)


def _done(job_id, token):
    return Outcome(job_id, token, "completed", RESULT)


def _failed(job_id, token, **fields):
    return Outcome(job_id, token, "failed", "ValueError: x", **fields)


def _words(turned):
    return [ending.value for ending in turned.endings]


@pytest.mark.parametrize("ending", ["completed", "failed"])
@pytest.mark.parametrize("state", STATES)
def test_only_the_running_attempt_is_ended(either_stage, state, ending):
    stage = either_stage
    job_id = stage.job_in(state)
    token = (stage.field(job_id, "seq") or "1") + ".1"
    before = stage.snapshot()
    outcome = _done(job_id, token) if ending == "completed" else _failed(job_id, token)
    words = _words(stage.turn([outcome]))
    if state == PROCESSING:
        assert words == [ending]
        assert stage.places(job_id) == [ending]
    else:
        assert words == ["missing" if state == MISSING else "stale"]
        assert stage.snapshot() == before


@pytest.mark.parametrize(
    ("fields", "word"),
    [({}, "failed"), ({"max_retries": 3}, "retrying"), ({"max_retries": 3, "retry_delay_ms": 9}, "retrying")],
)
def test_sent_twice_the_outcomes_are_taken_once(either_stage, fields, word):
    """LESSONS 1: the reply of a turn may be lost; the client sends it again with want = 0."""
    stage = either_stage
    ids = stage.submit_many(2)
    first, second = stage.claim(2)
    outcomes = [_done(ids[0], first.token), _failed(ids[1], second.token, **fields)]
    assert _words(stage.turn(outcomes, want=2, types=("other",))) == ["completed", word]
    before = stage.snapshot()
    stage.clock.advance(1)
    assert _words(stage.turn(outcomes)) == ["already", "already"]
    assert stage.snapshot() == before


def test_a_postponed_attempt_is_tried_again_after_the_delay_and_costs_no_retry(either_stage):
    stage = either_stage
    job_id = stage.submit(max_retries=0)
    claimed = stage.claim_one()
    outcome = Outcome(job_id, claimed.token, "postponed", "MissingKeyError: no key", retry_delay_ms=5_000)
    assert _words(stage.turn([outcome])) == ["retrying"]
    job = stage.job(job_id)
    assert stage.places(job_id) == ["scheduled"]
    assert (job.attempt, job.retry_count, job.metadata) == (0, 0, {"last_error": "MissingKeyError: no key"})
    before = stage.snapshot()
    assert _words(stage.turn([outcome])) == ["already"]
    assert stage.snapshot() == before
    stage.clock.advance(5)
    stage.promote()
    again = stage.claim_one()
    assert (again.job_id, again.job().attempt) == (job_id, 1)
    assert _words(stage.turn([outcome])) == ["stale"]


def test_it_ends_and_claims_in_one_call(either_stage):
    stage = either_stage
    ids = stage.submit_many(4)
    held = stage.claim(2)
    turned = stage.turn([_done(c.job_id, c.token) for c in held], want=2)
    assert _words(turned) == ["completed", "completed"]
    assert [c.job_id for c in turned.jobs] == ids[2:]
    assert stage.job(ids[0]).result == {"n": 1}


def test_a_claim_whose_reply_was_lost_is_found_by_adopt(stage):
    ids = stage.submit_many(3)
    stage.turn([], want=3)
    assert [c.job_id for c in stage.adopt()] == ids


def test_it_may_claim_again_what_it_has_just_failed(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    turned = stage.turn([_failed(job_id, token, max_retries=3)], want=1)
    assert _words(turned) == ["retrying"]
    assert [(c.job_id, c.job().attempt, c.job().retry_count) for c in turned.jobs] == [(job_id, 2, 1)]


def test_a_job_twice_in_a_call_ends_once(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    turned = stage.turn([_done(job_id, token), _failed(job_id, token, max_retries=3)])
    assert _words(turned) == ["completed", "already"]


def test_minus_one_means_never_again_whatever_the_job_says(stage):
    job_id = stage.submit(max_retries=5)
    token = stage.claim_one().token
    assert _words(stage.turn([_failed(job_id, token, max_retries=-1)])) == ["failed"]


def test_an_outcome_that_its_handler_has_reported_already_says_so(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.complete(job_id, token, token)
    assert _words(stage.turn([_failed(job_id, token)])) == ["already"]
    assert stage.job(job_id).status.value == "completed"


def test_one_stale_outcome_does_not_hold_up_the_others(stage):
    ids = stage.submit_many(3)
    held = stage.claim(3)
    stage.cancel(ids[1])
    assert _words(stage.turn([_done(c.job_id, c.token) for c in held])) == ["completed", "stale", "completed"]


def test_a_failure_keeps_error_traceback_delay_and_retries(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.turn([_failed(job_id, token, traceback="tb", retry_delay_ms=2500, max_retries=1)])
    job = stage.job(job_id)
    assert (job.traceback, job.metadata) == ("tb", {"retry_count": 1, "last_error": "ValueError: x"})
    assert stage.client.zscore(stage.tag + "scheduled", job_id) == stage.clock.now_ms + 2500


@pytest.mark.parametrize("types", [("t",), ("x", "y", "t"), ()])
def test_types_are_told_from_outcomes(stage, types):
    ids = stage.submit_many(2)
    token = stage.claim_one().token
    turned = stage.turn([_done(ids[0], token)], want=5, types=types)
    assert (_words(turned), [c.job_id for c in turned.jobs]) == (["completed"], ids[1:])


def test_want_0_claims_nothing(stage):
    job_id = stage.job_in(IN_LANE)
    assert stage.turn([]).jobs == []
    assert stage.places(job_id) == ["lane"]


def test_an_attempt_whose_lease_has_lapsed_unnoticed_still_commits(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.clock.advance(60)
    assert _words(stage.turn([_done(job_id, token)])) == ["completed"]


def test_five_hundred_outcomes_fit_in_a_call(stage):
    """LESSONS 31."""
    stage.check = False
    stage.submit_many(1000)
    held = stage.claim(500)
    turned = stage.turn([_done(c.job_id, c.token) for c in held], want=500)
    assert set(_words(turned)) == {"completed"} and len(turned.jobs) == 500
    assert stage.queue.doctor() == []


# --- a turn that parks --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_it_parks_when_nothing_waits_and_its_lists_are_empty(either_stage, state):
    """What they hold it doesn't know of: `park` is there to tell it."""
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.places(job_id)
    turned = stage.turn([], 1, park_ms=5_000)
    if state == IN_LANE:
        assert [c.job_id for c in turned.jobs] == [job_id]
    elif state not in (IN_INBOX, PICKED_UP, PROCESSING):
        assert turned.parked.jobs == []
        assert turned.parked.wait_ms == (60_000 if state == SCHEDULED else None)
        assert stage.queue.stats().parked == 1
        assert stage.places(job_id) == before == PLACE_OF[state]
        return
    assert turned.parked is None
    assert stage.queue.stats().parked == 0


@pytest.mark.parametrize(("want", "park_ms"), [(1, 0), (0, 0), (0, 5_000)])
def test_it_does_not_park_unasked_nor_when_it_claims_nothing(stage, want, park_ms):
    assert stage.turn([], want, park_ms=park_ms).parked is None
    assert stage.queue.stats().parked == 0


def test_it_parks_when_its_last_attempt_has_ended(either_stage):
    stage = either_stage
    job_id = stage.submit()
    token = stage.claim_one().token
    turned = stage.turn([_done(job_id, token)], 1, park_ms=5_000)
    assert _words(turned) == ["completed"]
    assert turned.parked is not None
    following = stage.submit()
    assert "inbox:w1" in stage.places(following), "a job is either claimed by the turn or handed over"
    stage.pick_up()
    assert [c.job_id for c in stage.adopt()] == [following]


def test_it_does_not_park_while_it_holds_another(stage):
    first, _ = stage.submit_many(2)
    token = stage.claim(2)[0].token
    assert stage.turn([_done(first, token)], 1, park_ms=5_000).parked is None
    assert stage.queue.stats().parked == 0


def test_what_it_has_failed_itself_it_claims_again(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    turned = stage.turn([_failed(job_id, token, max_retries=1)], 1, park_ms=5_000)
    assert [c.job_id for c in turned.jobs] == [job_id]
    assert turned.parked is None


def test_it_does_not_park_while_expired_jobs_may_hide_others(stage):
    stage.submit_many(150, ttl_ms=1000)
    stage.clock.advance(1)
    turned = stage.turn([], 1, park_ms=5_000)
    assert (turned.jobs, turned.parked) == ([], None)
    assert stage.queue.stats().parked == 0


@pytest.mark.parametrize("types", [("t",), ("a", "t"), ()])
def test_it_is_parked_for_its_types_and_for_its_time(stage, types):
    stage.turn([], 1, park_ms=1_000, types=types)
    place = stage.places(stage.submit(job_type="other"))
    assert (place == ["lane"]) == bool(types)
    if types:
        assert "inbox:w1" in stage.places(stage.submit())
    stage.turn([], 1, park_ms=1_000, types=types, worker="w2")
    stage.clock.advance(1.001)
    assert stage.places(stage.submit()) == ["lane"]
