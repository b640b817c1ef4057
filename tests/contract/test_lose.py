"""lua/lose.lua: a worker is known to have died."""

from __future__ import annotations

import pytest

from tests.support.contract import IN_INBOX, PICKED_UP, PLACE_OF, PROCESSING, STATES

HELD = (IN_INBOX, PICKED_UP, PROCESSING)


@pytest.mark.parametrize("state", STATES)
def test_what_it_held_goes_back_to_its_lane_at_once(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    assert stage.bury() == ([job_id] if state in HELD else [])
    assert stage.places(job_id) == (["lane"] if state in HELD else PLACE_OF[state])


@pytest.mark.parametrize("state", STATES)
def test_sent_twice_it_is_done_once(either_stage, state):
    stage = either_stage
    stage.job_in(state)
    stage.bury()
    before = stage.snapshot()
    stage.clock.advance(1)
    assert stage.bury() == []
    assert stage.snapshot() == before


def test_the_attempt_is_counted_as_lost_and_says_how(stage):
    """LESSONS 14, 19, 20."""
    job_id = stage.job_in(PROCESSING)
    stage.bury(why="was killed by SIGKILL (max RSS 512 MB)")
    job = stage.job(job_id)
    assert (job.status.value, job.retry_count, job.worker) == ("pending", 1, None)
    assert stage.field(job_id, "losses") == "1"
    assert job.metadata["last_error"] == (
        "worker lost: w1 was killed by SIGKILL (max RSS 512 MB) (attempt 1)"
    )


def test_without_retries_left_the_job_fails(stage):
    """LESSONS 19."""
    job_id = stage.job_in(PROCESSING, max_retries=0)
    stage.bury()
    job = stage.job(job_id)
    assert (job.status.value, job.error) == ("failed", "worker lost: w1 was killed (attempt 1)")


def test_a_job_that_has_lost_a_worker_before_waits_longer_each_time(stage):
    """LESSONS 19: one that kills its workers doesn't kill all of them within a moment."""
    job_id = stage.job_in(PROCESSING, max_retries=9)
    pauses = []
    for _ in range(9):
        stage.bury()
        pauses.append(0)
        while stage.places(job_id) == ["scheduled"]:
            stage.clock.advance(1)
            pauses[-1] += 1
            stage.promote()
        assert stage.claim_one().job_id == job_id
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("state", (IN_INBOX, PICKED_UP))
def test_a_job_that_was_only_handed_over_goes_back_as_it_was(stage, state):
    job_id = stage.job_in(state)
    expires_at = stage.expires_at(job_id)
    stage.clock.advance(1)
    stage.bury()
    job = stage.job(job_id)
    assert (job.retry_count, job.attempt, job.metadata) == (0, 0, None)
    assert stage.expires_at(job_id) == expires_at


def test_a_worker_that_lives_after_all_can_not_commit(stage):
    """LESSONS 8: whoever says so wrongly does no harm."""
    job_id = stage.submit()
    claimed = stage.claim_one()
    stage.bury()
    assert stage.complete(job_id, claimed.token, claimed.token).value == "stale"
    assert stage.heartbeat(held=((job_id, claimed.token),)) == [job_id]


def test_it_goes_to_a_worker_that_waits_and_never_back_to_the_dead_one(stage):
    first, second = stage.submit_many(2)
    stage.claim(2)
    stage.park(known=(first, second))
    stage.park("w2")
    stage.bury()
    assert sorted([stage.places(first), stage.places(second)]) == [["inbox:w2", "leases"], ["lane"]]


def test_other_workers_keep_theirs_and_the_dead_one_is_forgotten(stage):
    mine, theirs = stage.submit_many(2)
    stage.claim_one("w1")
    stage.claim_one("w2")
    stage.heartbeat("w1", held=())
    assert stage.bury("w1") == [mine]
    assert stage.places(theirs) == ["leases", "processing:w2"]
    assert stage.queue.stats().workers == []


def test_an_id_that_is_elsewhere_by_now_is_only_dropped_from_the_list(stage):
    job_id = stage.job_in(PROCESSING)
    stage.lose(job_id)
    stage.client.rpush(stage.tag + "processing:w1", job_id, "never-was")
    stage.check = False
    assert stage.bury() == []
    assert stage.queue.doctor() == []
    assert stage.places(job_id) == ["lane"]
