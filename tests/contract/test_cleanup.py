"""lua/cleanup.lua: records end when their time has passed."""

from __future__ import annotations

import pytest

from faciliter_jobs.scripts import Cleaned
from tests.support.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_INBOX,
    IN_LANE,
    PENDING_STATES,
    PICKED_UP,
    PLACE_OF,
    PROCESSING,
    SCHEDULED,
    STATES,
    TERMINAL_STATES,
    TTL_MS,
)

TTL = TTL_MS / 1000
NOTHING = Cleaned(0, 0, 0, False)


def _age_out(stage, state):
    """Past the ttl, and past the due time that it counts from."""
    stage.clock.advance(TTL + (60 if state == SCHEDULED else 0))


@pytest.mark.parametrize("state", STATES)
def test_before_its_ttl_a_job_stays_as_it_is(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    stage.clock.advance(TTL - 0.001 + (60 if state == SCHEDULED else 0))
    assert stage.cleanup() == NOTHING
    assert stage.places(job_id) == PLACE_OF[state]


@pytest.mark.parametrize("state", PENDING_STATES)
def test_a_job_that_has_not_started_is_cancelled_then_purged(either_stage, state):
    """Readable for its ttl once more: an id never dangles."""
    stage = either_stage
    job_id = stage.job_in(state)
    _age_out(stage, state)
    assert stage.cleanup() == Cleaned(0, 0, 1, False)
    job = stage.job(job_id)
    assert (job.status.value, job.error) == ("cancelled", "expired before it started")
    assert stage.places(job_id) == ["cancelled"]
    stage.clock.advance(TTL - 0.001)
    assert stage.cleanup() == NOTHING
    stage.clock.advance(0.001)
    assert stage.cleanup() == Cleaned(0, 1, 0, False)
    assert stage.queue.get_job(job_id) is None


@pytest.mark.parametrize("state", TERMINAL_STATES)
def test_a_finished_job_is_purged(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    stage.clock.advance(TTL)
    assert stage.cleanup() == Cleaned(0, 1, 0, False)
    assert stage.queue.get_job(job_id) is None
    assert stage.queue.list_jobs() == []


@pytest.mark.parametrize("age_ms", [None, 0])
def test_a_running_job_is_never_purged(stage, age_ms):
    job_id = stage.submit()
    token = stage.claim_one().token
    for _ in range(5):
        stage.clock.advance(TTL * 3)
        assert stage.cleanup(finished_before_ms=age_ms) == NOTHING
    assert stage.complete(job_id, token, token).value == "completed"
    stage.clock.advance(TTL)
    assert stage.cleanup().purged == 1


@pytest.mark.parametrize("state", STATES[1:])
def test_of_a_purged_job_nothing_is_left_but_bookkeeping(stage, state):
    job_id = stage.job_in(state, session="s", metadata=b"\x80")
    stage.leave()
    stage.cancel(job_id)
    stage.clock.advance(TTL)
    assert stage.cleanup().purged == 1
    # seq and meta stay; parked:t goes with the next submit of the type.
    assert set(stage.leftovers()) - {"parked:t"} == set()


@pytest.mark.parametrize("state", STATES[1:])
def test_sent_twice_it_is_done_once(either_stage, state):
    stage = either_stage
    stage.job_in(state)
    _age_out(stage, state)
    stage.cleanup()
    before = stage.snapshot()
    assert stage.cleanup() == NOTHING
    assert stage.snapshot() == before


def test_a_delayed_job_s_ttl_counts_from_its_due_time(stage):
    job_id = stage.submit(delay_ms=50_000, ttl_ms=10_000)
    for _ in range(5):
        stage.clock.advance(10)
        assert stage.cleanup() == NOTHING
    stage.promote()
    stage.clock.advance(9.999)
    assert stage.cleanup() == NOTHING
    stage.clock.advance(0.001)
    assert stage.cleanup().expired == 1
    assert stage.job(job_id).status.value == "cancelled"


def test_each_change_starts_the_ttl_again(stage):
    job_id = stage.submit(ttl_ms=10_000)
    stage.clock.advance(8)
    token = stage.claim_one().token
    stage.clock.advance(8)
    stage.cleanup()
    stage.fail(job_id, token, token, max_retries=3)
    stage.clock.advance(8)
    assert stage.cleanup() == NOTHING
    stage.complete(job_id)
    stage.clock.advance(8)
    assert stage.cleanup() == NOTHING
    stage.clock.advance(2)
    assert stage.cleanup() == Cleaned(0, 1, 0, False)


def test_jobs_with_different_ttls_end_each_at_its_time(stage):
    ids = [stage.submit(ttl_ms=ttl, job_id=f"ttl-{ttl}") for ttl in (9_000, 1_000, 5_000)]
    seen = []
    for second in range(20):
        seen += [(second, job_id) for job_id in ids if stage.queue.get_job(job_id) is None]
        ids = [job_id for job_id in ids if stage.queue.get_job(job_id)]
        stage.clock.advance(1)
        stage.cleanup()
    assert seen == [(2, "ttl-1000"), (10, "ttl-5000"), (18, "ttl-9000")]


def test_a_long_ttl_in_a_chunk_does_not_keep_a_short_one_and_the_other_way_round(stage):
    long = stage.submit(ttl_ms=100_000)
    stage.submit_many(63, ttl_ms=1_000)
    stage.clock.advance(1)
    assert stage.cleanup().expired == 63
    stage.clock.advance(1)
    assert stage.cleanup().purged == 63
    assert stage.places(long) == ["lane"]
    assert stage.claim_one().job_id == long


@pytest.mark.parametrize(("age_s", "purged"), [(0, 3), (5, 2), (5.001, 1), (10, 1), (11, 0)])
def test_finished_before_takes_what_finished_so_long_ago(either_stage, age_s, purged):
    stage = either_stage
    for state, wait in ((COMPLETED, 5), (FAILED, 5), (CANCELLED, 0)):
        stage.job_in(state)
        stage.clock.advance(wait)
    waiting, running = stage.job_in(PROCESSING), stage.job_in(IN_LANE)
    assert stage.cleanup(finished_before_ms=round(age_s * 1000)) == Cleaned(purged, 0, 0, False)
    assert len(stage.queue.list_jobs()) == 5 - purged
    assert stage.queue.get_job(waiting) and stage.queue.get_job(running)


@pytest.mark.parametrize("state", [IN_INBOX, PICKED_UP, IN_LANE, SCHEDULED, PROCESSING])
def test_finished_before_takes_no_unfinished_job(stage, state):
    job_id = stage.job_in(state)
    stage.clock.advance(1)
    assert stage.cleanup(finished_before_ms=0) == NOTHING
    assert stage.places(job_id) == PLACE_OF[state]


def test_the_work_of_a_call_is_bounded(stage):
    """LESSONS 32."""
    ids = stage.submit_many(300, ttl_ms=1_000)
    stage.clock.advance(1)
    stage.check = False
    first = stage.cleanup(limit=64)
    assert 0 < first.expired <= 64
    while stage.cleanup(limit=64) != NOTHING:
        pass
    assert stage.queue.doctor() == []
    assert {stage.job(job_id).status.value for job_id in ids} == {"cancelled"}
    assert stage.cleanup(limit=100, finished_before_ms=0).aged == 100
    assert [stage.cleanup(limit=150, finished_before_ms=0).aged for _ in range(3)] == [150, 50, 0]
    stage.clock.advance(1)
    stage.cleanup()  # the watch over their expiry ends when it is due
    assert stage.leftovers() == []


def test_it_says_when_more_may_be_due_though_nothing_has_ended(stage):
    """A look into jobs that have been changed meanwhile ends none of them, and may hide others."""
    changed = stage.submit_many(64, ttl_ms=1_000)
    late = stage.submit_many(64, ttl_ms=1_100)
    stage.clock.advance(0.9)
    stage.check = False
    for job_id in changed:
        stage.complete(job_id)
    stage.clock.advance(0.2)
    assert stage.cleanup(limit=64) == Cleaned(0, 0, 0, True)
    assert stage.cleanup(limit=64) == Cleaned(0, 0, 64, True)
    assert stage.cleanup(limit=64) == NOTHING
    assert {stage.job(job_id).status.value for job_id in late} == {"cancelled"}


def test_a_record_that_vanished_does_not_stop_the_others(stage):
    gone, there = stage.submit_many(2)
    for job_id in (gone, there):
        stage.complete(job_id)
    stage.client.delete(stage.tag + "job:" + gone)
    stage.check = False
    stage.clock.advance(TTL)
    stage.cleanup(finished_before_ms=0)
    assert stage.queue.get_job(there) is None
    assert "completed" not in stage.names(), "nor does its id stay"
