"""lua/park.lua: an idle worker looks for work, and is registered as waiting when there is none."""

from __future__ import annotations

import pytest

from tests.support.contract import (
    IN_INBOX,
    IN_LANE,
    PICKED_UP,
    PLACE_OF,
    PROCESSING,
    SCHEDULED,
    STATES,
)


@pytest.mark.parametrize("state", STATES)
def test_it_gives_work_or_parks(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    parked = stage.park()
    if state in (IN_LANE, IN_INBOX, PICKED_UP, PROCESSING):
        assert [c.job_id for c in parked.jobs] == [job_id]
        assert parked.wait_ms == 0
        assert stage.places(job_id) == PLACE_OF[PROCESSING]
    else:
        assert parked.jobs == []
        assert parked.wait_ms == (60_000 if state == SCHEDULED else None)
        assert stage.places(job_id) == PLACE_OF[state]
    assert stage.queue.stats().parked == (0 if parked.jobs else 1)


@pytest.mark.parametrize("state", (IN_LANE, IN_INBOX, PICKED_UP, PROCESSING))
def test_sent_twice_it_gives_what_the_lost_reply_named(either_stage, state):
    """LESSONS 1."""
    stage = either_stage
    stage.job_in(state)
    (first,) = stage.park(want=10).jobs
    before = stage.snapshot()
    (second,) = stage.park(want=10).jobs
    assert (second.job_id, second.token) == (first.job_id, first.token)
    assert stage.snapshot() == before


def test_sent_twice_without_work_it_only_parks_for_longer(either_stage):
    stage = either_stage
    stage.park()
    stage.clock.advance(3)
    stage.park()
    stage.clock.advance(4)
    assert stage.queue.stats().parked == 1
    assert "inbox:w1" in stage.places(stage.submit())


def test_what_it_knows_is_not_given_again(stage):
    running = stage.job_in(PROCESSING)
    assert stage.park(known=(running,)).jobs == []
    assert stage.queue.stats().parked == 1


def test_looking_and_parking_are_one_step(stage):
    """A job is either found by the look or handed over: none falls between the two."""
    assert stage.park().jobs == []
    job_id = stage.submit()
    stage.pick_up()
    assert [c.job_id for c in stage.adopt()] == [job_id]


def test_it_stays_parked_until_its_deadline(stage):
    stage.park(park_ms=1000)
    stage.clock.advance(1)
    assert "inbox:w1" in stage.places(stage.submit())
    stage.park("w2", park_ms=1000)
    stage.clock.advance(1.001)
    assert stage.places(stage.submit()) == ["lane"]


def test_what_stands_in_its_own_lists_comes_alone(stage):
    # It may have been handed one that must run alone.
    stage.park()
    handed = stage.submit(max_retries=0)
    stage.submit_many(3)
    assert [claimed.job_id for claimed in stage.park(want=4).jobs] == [handed]


def test_it_takes_no_more_than_it_wants(stage):
    stage.submit_many(5)
    assert len(stage.park(want=3).jobs) == 3


@pytest.mark.parametrize("types", [("t",), ("a", "t"), ()])
def test_it_takes_only_its_types(stage, types):
    mine, other = stage.submit(), stage.submit(job_type="other")
    got = {c.job_id for c in stage.park(want=10, types=types).jobs}
    assert got == ({mine} if types else {mine, other})


def test_types_are_told_from_known_ids(stage):
    """Both are lists of strings in one call: the count keeps them apart."""
    job_id = stage.job_in(PROCESSING)
    stage.submit(job_type=job_id)
    assert stage.park(types=("t",), known=(job_id,)).jobs == []
    assert len(stage.park(types=("t", job_id), known=(job_id,)).jobs) == 1


def test_the_wait_ends_when_the_next_scheduled_job_is_due(stage):
    stage.submit(delay_ms=4_000)
    stage.submit(delay_ms=2_000, job_type="not mine")
    assert stage.park().wait_ms == 2_000
    stage.clock.advance(3)
    assert stage.park().wait_ms == 0, "due and not promoted yet: look again at once"


def test_while_expired_jobs_may_hide_others_it_asks_to_be_called_again(stage):
    stage.submit_many(150, ttl_ms=1000)
    stage.clock.advance(1)
    parked = stage.park()
    assert (parked.jobs, parked.wait_ms) == ([], 0)
    assert stage.queue.stats().parked == 0


@pytest.mark.parametrize("tend_limit", [0, 100])
def test_it_tends_to_what_is_due_for_all(stage, tend_limit):
    due = stage.submit(delay_ms=1_000)
    lost = stage.submit()
    stage.claim_one("dead")
    old = stage.submit(ttl_ms=1_000, job_type="unserved")
    stage.clock.advance(15)
    jobs = stage.park(want=10, tend_limit=tend_limit).jobs
    if tend_limit:
        assert [c.job_id for c in jobs] == [due]
        assert [c.job_id for c in stage.park("w2", want=10).jobs] == [lost], "it runs alone now"
        assert stage.job(old).status.value == "cancelled"
    else:
        assert jobs == []
        assert stage.places(due) == ["scheduled"]


def test_it_is_called_again_at_once_while_jobs_wait_to_be_looked_after(stage):
    stage.submit_many(5, delay_ms=1_000)
    stage.submit_many(2, delay_ms=1_000, job_type="unserved")
    stage.clock.advance(1)
    assert len(stage.park(want=10, tend_limit=5).jobs) == 5
    stage.claim(want=1, types=["unserved"])
    parked = stage.park("w2", types=["other"], tend_limit=1)
    assert (parked.jobs, parked.wait_ms) == ([], 0)
    assert stage.queue.stats().parked == 0


def test_it_waits_for_a_moment_only_while_there_is_more_to_clean_up(stage):
    stage.submit_many(130, ttl_ms=1_000)
    stage.clock.advance(1)
    stage.check = False
    parked = stage.park(types=["other"], tend_limit=64)
    assert (parked.jobs, parked.wait_ms) == ([], 25)
    assert stage.queue.stats().parked == 1


def test_a_worker_that_gets_a_job_is_not_parked_any_more(stage):
    stage.park()
    stage.park("w2")
    first = stage.submit()
    stage.submit()
    stage.adopt()
    stage.complete(first)
    assert stage.places(stage.submit()) == ["lane"]
