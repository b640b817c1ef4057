"""lua/heartbeat.lua: a worker lives, and keeps the jobs that it holds."""

from __future__ import annotations

import pytest

from tests.support.contract import LEASE_MS, MISSING, PLACE_OF, PROCESSING, STATES


def _token(stage, job_id):
    return f"{stage.field(job_id, 'seq') or 1}.{stage.field(job_id, 'attempt') or 1}"


@pytest.mark.parametrize("state", STATES)
def test_only_a_job_that_the_worker_runs_keeps_its_lease(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    gone = stage.heartbeat(held=((job_id, _token(stage, job_id)),))
    assert gone == ([] if state == PROCESSING else [job_id])
    assert stage.places(job_id) == PLACE_OF[state]


@pytest.mark.parametrize("state", [PROCESSING, MISSING])
def test_sent_twice_it_changes_nothing_more(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    held = ((job_id, _token(stage, job_id)),)
    first = stage.heartbeat(held=held)
    before = stage.snapshot()
    assert stage.heartbeat(held=held) == first
    assert stage.snapshot() == before


def test_a_job_is_kept_as_long_as_the_heart_beats(stage):
    """LESSONS 7, 10: a renewable lease, judged by the server's time; no fixed visibility timeout."""
    job_id = stage.submit()
    token = stage.claim_one().token
    for _ in range(20):
        stage.clock.advance(LEASE_MS / 1000 - 0.001)
        assert stage.recover() == 0
        assert stage.heartbeat(held=((job_id, token),)) == []
    stage.clock.advance(LEASE_MS / 1000)
    assert stage.recover() == 1


def test_a_worker_is_told_which_jobs_it_has_lost(stage):
    """LESSONS 8."""
    lost, kept = stage.submit_many(2)
    first, second = stage.claim(2)
    stage.clock.advance(9)
    stage.heartbeat(held=((kept, second.token),))
    stage.clock.advance(2)
    stage.recover()
    assert stage.heartbeat(held=((lost, first.token), (kept, second.token))) == [lost]
    stage.claim_one("w2")
    assert stage.heartbeat(held=((lost, first.token),)) == [lost], "another's attempt isn't renewed"


def test_a_lapsed_lease_that_nobody_took_back_is_renewed(stage):
    job_id = stage.submit()
    token = stage.claim_one().token
    stage.clock.advance(60)
    assert stage.heartbeat(held=((job_id, token),)) == []
    assert stage.recover() == 0


def test_it_registers_the_worker_for_alive_ms(stage):
    stage.heartbeat("w1", alive_ms=5_000, info='{"types": ["a"], "host": "h"}')
    (worker,) = stage.queue.stats().workers
    assert (worker.name, worker.info) == ("w1", {"types": ["a"], "host": "h"})
    assert worker.alive_until_ms == stage.clock.now_ms + 5_000
    stage.clock.advance(5.001)
    assert stage.queue.stats().workers == []


@pytest.mark.parametrize(("max_retries", "status"), [(0, "failed"), (1, "pending")])
def test_its_max_retries_count_for_jobs_of_its_that_get_lost(stage, max_retries, status):
    job_id = stage.submit()
    stage.heartbeat(max_retries=max_retries)
    stage.claim_one()
    stage.lose(job_id)
    assert stage.job(job_id).status.value == status


def test_hundreds_of_held_jobs_fit_in_a_call(stage):
    """LESSONS 31."""
    stage.check = False
    stage.submit_many(900)
    held = tuple((c.job_id, c.token) for c in stage.claim(900))
    stage.clock.advance(9)
    assert stage.heartbeat(held=held) == []
    stage.clock.advance(9)
    assert stage.recover() == 0
