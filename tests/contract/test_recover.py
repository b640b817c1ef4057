"""lua/recover.lua: jobs come back from workers that don't hold them any more."""

from __future__ import annotations

import pytest

from faciliter_jobs import scripts
from tests.support.contract import IN_INBOX, LEASE_MS, PICKED_UP, PLACE_OF, PROCESSING, STATES

HELD = (IN_INBOX, PICKED_UP, PROCESSING)


@pytest.mark.parametrize("lapsed", [False, True])
@pytest.mark.parametrize("state", STATES)
def test_only_a_job_whose_lease_has_passed_is_taken_back(either_stage, state, lapsed):
    """LESSONS 10, 12, 13."""
    stage = either_stage
    job_id = stage.job_in(state)
    if lapsed:
        stage.clock.advance(LEASE_MS / 1000)
    taken = lapsed and state in HELD
    assert stage.recover() == int(taken)
    assert stage.places(job_id) == (["lane"] if taken else PLACE_OF[state])


@pytest.mark.parametrize("state", HELD)
def test_sent_twice_it_is_done_once(either_stage, state):
    stage = either_stage
    stage.job_in(state)
    stage.clock.advance(LEASE_MS / 1000)
    assert stage.recover() == 1
    before = stage.snapshot()
    stage.clock.advance(1)
    assert stage.recover() == 0
    assert stage.snapshot() == before


def test_a_loss_counts_as_an_attempt_and_says_whose(stage):
    """LESSONS 14, 19: worker death is a requeue, and counted apart."""
    job_id = stage.job_in(PROCESSING)
    stage.lose(job_id)
    job = stage.job(job_id)
    assert (job.retry_count, stage.field(job_id, "losses")) == (1, "1")
    assert job.metadata["last_error"].startswith("worker lost: w1 ")
    assert job.worker is None


@pytest.mark.parametrize("state", (IN_INBOX, PICKED_UP))
def test_a_job_that_was_only_handed_over_goes_back_as_it_was(stage, state):
    job_id = stage.job_in(state)
    stage.clock.advance(2)
    stage.recover()
    job = stage.job(job_id)
    assert (job.retry_count, job.attempt, job.metadata) == (0, 0, None)


@pytest.mark.parametrize("state", (IN_INBOX, PICKED_UP))
def test_a_hand_over_does_not_prolong_a_job_s_life(stage, state):
    """Its ttl counts from when it was submitted: going round dead workers is no change of the job."""
    job_id = stage.job_in(state)
    expires_at = stage.expires_at(job_id)
    stage.clock.advance(2)
    stage.recover()
    assert stage.expires_at(job_id) == expires_at


@pytest.mark.parametrize("state", (IN_INBOX, PICKED_UP))
@pytest.mark.parametrize("by", ["recover", "lose"])
def test_a_job_that_expired_while_it_was_handed_over_wakes_nobody(stage, state, by):
    job_id = stage.job_in(state, ttl_ms=1000)
    stage.clock.advance(2)
    stage.park("w2")
    stage.recover() if by == "recover" else stage.run(scripts.lose(stage.tag, worker="w1", why="died"))
    assert stage.queue.stats().parked == 1
    job = stage.job(job_id)
    assert (job.status.value, job.error, job.attempt) == ("cancelled", "expired before it started", 0)


def test_it_comes_back_at_the_front_of_its_lane(stage):
    first, *others = stage.submit_many(4)
    stage.claim_one()
    stage.lose(first)
    assert [c.job_id for c in stage.claim(10)] == [first]
    assert [c.job_id for c in stage.claim(10)] == others


def test_it_goes_to_a_parked_worker(stage):
    job_id = stage.job_in(PROCESSING)
    stage.clock.advance(LEASE_MS / 1000)
    stage.park("w2")
    stage.recover()
    assert stage.places(job_id) == ["inbox:w2", "leases"]


@pytest.mark.parametrize(("own", "attempts"), [(0, 1), (1, 2), (None, 4), (5, 6)])
def test_a_job_that_kills_its_workers_ends_as_a_dead_letter(stage, own, attempts):
    """LESSONS 3, 19. Nobody's heartbeat said how often: 3 retries."""
    job_id = stage.submit(max_retries=own)
    while stage.job(job_id).status.value == "pending":
        stage.claim_one()
        stage.lose(job_id)
    job = stage.job(job_id)
    assert (job.status.value, job.attempt) == ("failed", attempts)
    assert "worker lost" in job.error
    assert stage.places(job_id) == ["failed"]


def test_never_more_than_the_limit(stage):
    stage.submit_many(10)
    stage.claim(10)
    stage.clock.advance(LEASE_MS / 1000)
    assert [stage.recover(4) for _ in range(4)] == [4, 4, 2, 0]


def test_an_id_in_the_list_of_a_worker_that_is_gone_is_found_without_a_lease(stage):
    """LESSONS 12: the lists are looked at, not just the leases."""
    for state in HELD:
        job_id = stage.job_in(state)
        stage.heartbeat(alive_ms=1_000)
        stage.client.zrem(stage.tag + "leases", job_id)
        stage.check = False
        stage.recover()
        assert len(stage.places(job_id)) == 1, "while the worker lives it may be picking it up"
        stage.clock.advance(1)
        stage.recover()
        stage.check = True
        assert stage.queue.doctor() == []
        assert stage.places(job_id) == ["lane"]
        stage.cancel(job_id)


def test_a_worker_that_is_gone_is_forgotten_with_all_its_keys(stage):
    stage.park()
    stage.heartbeat(alive_ms=1_000)
    stage.clock.advance(1)
    stage.recover()
    # parked:t goes with the next submit of the type.
    assert set(stage.leftovers()) <= {"parked:t"}


def test_a_worker_that_is_gone_is_kept_until_its_jobs_leases_have_passed(stage):
    job_id = stage.job_in(PROCESSING)
    stage.heartbeat(alive_ms=1_000)
    stage.clock.advance(1)
    stage.recover()
    assert stage.places(job_id) == PLACE_OF[PROCESSING]
    stage.clock.advance(9)
    stage.recover()
    stage.clock.advance(1)
    stage.recover()
    assert stage.places(job_id) == ["lane"]
    assert not [name for name in stage.names() if name.startswith("worker")]


def test_what_a_dead_worker_s_list_names_wrongly_is_dropped(stage):
    job_id = stage.job_in(PROCESSING)
    stage.complete(job_id)
    stage.client.rpush(stage.tag + "processing:w1", job_id, "never-was")
    stage.check = False
    stage.heartbeat(alive_ms=1_000)
    stage.clock.advance(1)
    stage.recover()
    assert stage.queue.doctor() == []
    assert stage.job(job_id).status.value == "completed"


def test_a_worker_that_parked_for_a_type_nobody_submits_leaves_nothing_behind(stage):
    """LESSONS 28's kind: what only grows. Each worker process has a name of its own."""
    for n in range(3):
        stage.park(f"process-{n}", types=("rare",), park_ms=1_000)
        stage.heartbeat(f"process-{n}", alive_ms=1_000)
        stage.clock.advance(2)
        stage.recover()
    assert stage.client.zcard(stage.tag + "parked:rare") <= 1
