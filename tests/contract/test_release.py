"""lua/release.lua: a worker gives back what it has claimed and not started."""

from __future__ import annotations

from faciliter_jobs import scripts


def _release(stage, *claimed, worker="w1"):
    held = [(c.job_id, c.token) for c in claimed]
    return stage.run(scripts.release(stage.tag, worker=worker, held=held))


def test_what_was_not_started_goes_back_to_its_place_in_the_lane(either_stage):
    stage = either_stage
    ids = stage.submit_many(4)
    first, *others = stage.claim(3)
    assert _release(stage, *others) == ids[1:3]
    assert stage.job(first.job_id).status.value == "processing"
    assert [c.job_id for c in stage.claim(3, "w2")] == ids[1:]


def test_it_counts_as_no_attempt(stage):
    job_id = stage.submit()
    _release(stage, *stage.claim(1))
    assert (stage.job(job_id).attempt, stage.job(job_id).retry_count) == (0, 0)
    stage.claim_one()
    assert stage.job(job_id).attempt == 1


def test_sent_twice_it_leaves_the_next_attempt_alone(either_stage):
    stage = either_stage
    job_id = stage.submit()
    released = stage.claim_one()
    assert _release(stage, released) == [job_id]
    assert _release(stage, released) == []
    again = stage.claim_one()
    assert _release(stage, released) == []
    assert stage.complete(job_id, again.token, again.token).value == "completed"


def test_a_worker_cannot_release_what_another_holds(stage):
    claimed = stage.claim_one() if stage.submit() else None
    assert _release(stage, claimed, worker="w2") == []
    assert stage.job(claimed.job_id).status.value == "processing"


def test_a_released_attempt_cannot_commit(stage):
    """LESSONS 8."""
    job_id = stage.submit()
    released = stage.claim_one()
    _release(stage, released)
    assert stage.complete(job_id, released.token, released.token).value == "stale"
