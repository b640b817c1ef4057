"""lua/promote.lua: scheduled jobs become ready when their time has come."""

from __future__ import annotations

import pytest

from tests.support.contract import PLACE_OF, SCHEDULED, STATES


@pytest.mark.parametrize("due", [False, True])
@pytest.mark.parametrize("state", STATES)
def test_only_a_scheduled_job_that_is_due_moves(either_stage, state, due):
    stage = either_stage
    job_id = stage.job_in(state)
    if due:
        stage.clock.advance(60)
    count, _ = stage.promote()
    moved = state == SCHEDULED and due
    assert count == int(moved)
    assert stage.places(job_id) == (["lane"] if moved else PLACE_OF[state])


def test_sent_twice_it_promotes_once(either_stage):
    stage = either_stage
    stage.submit_many(3, delay_ms=1000)
    stage.clock.advance(1)
    assert stage.promote() == (3, None)
    before = stage.snapshot()
    assert stage.promote() == (0, None)
    assert stage.snapshot() == before


def test_it_says_when_the_next_is_due(stage):
    stage.submit(delay_ms=1_000)
    stage.submit(delay_ms=5_000)
    assert stage.promote() == (0, 1_000)
    stage.clock.advance(1)
    assert stage.promote() == (1, 4_000)


def test_never_more_than_the_limit(stage):
    stage.submit_many(10, delay_ms=1000)
    stage.clock.advance(1)
    assert [stage.promote(4) for _ in range(4)] == [(4, 0), (4, 0), (2, None), (0, None)]


def test_the_earliest_first(stage):
    late, early = stage.submit(delay_ms=2000), stage.submit(delay_ms=1000)
    stage.clock.advance(2)
    stage.promote(1)
    assert (stage.places(early), stage.places(late)) == (["lane"], ["scheduled"])


def test_a_job_goes_to_one_parked_worker(stage):
    stage.submit_many(2, delay_ms=1000)
    stage.park("w1")
    stage.clock.advance(1)
    stage.promote()
    assert sorted(stage.places(f"job-{n}")[0] for n in (1, 2)) == ["inbox:w1", "lane"]


def test_a_retry_becomes_ready_after_its_delay(stage):
    """LESSONS 5: a delayed job stays on the server until it is due."""
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.fail(job_id, token, token, delay_ms=30_000, max_retries=3)
    stage.clock.advance(29.999)
    assert stage.promote() == (0, 1)
    stage.clock.advance(0.001)
    assert stage.promote() == (1, None)
    assert stage.claim_one().job_id == job_id


def test_an_id_whose_record_is_gone_is_dropped(stage):
    job_id = stage.job_in(SCHEDULED)
    stage.client.delete(stage.tag + "job:" + job_id)
    stage.clock.advance(60)
    stage.check = False
    stage.promote()
    assert stage.places(job_id) == []
