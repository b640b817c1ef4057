"""lua/tend.lua: what a busy worker does for all."""

from __future__ import annotations

from faciliter_jobs import scripts


def test_it_tends_to_what_is_due_for_all(either_stage):
    stage = either_stage
    due = stage.submit(delay_ms=1_000)
    old = stage.submit(ttl_ms=1_000, job_type="unserved")
    stage.submit()
    lost = stage.claim_one("dead").job_id
    stage.clock.advance(11)
    for _ in range(2):  # sent twice, it does no more
        assert stage.run(scripts.tend(stage.tag, limit=200)) is None
        assert stage.places(due) == ["lane"] and stage.places(lost) == ["lane"]
        assert stage.job(old).status.value == "cancelled"


def test_it_says_when_to_go_on_while_more_is_due_than_one_step_takes(stage):
    """What jobs wait for at once; what only takes memory in steps, which the workers share."""
    stage.submit_many(130, ttl_ms=1_000)
    stage.heartbeat("w1", alive_ms=60_000), stage.heartbeat("w2", alive_ms=60_000)
    stage.submit_many(5, delay_ms=60_000)
    stage.check = False

    def tend(limit):
        return stage.run(scripts.tend(stage.tag, limit=limit))

    assert tend(64) is None
    stage.clock.advance(1)
    assert [tend(64), tend(64)] == [50, 50], "25 ms for each worker"
    assert tend(200) is None
    stage.clock.advance(59)
    assert tend(3) == 0
    assert tend(300) is None
    assert stage.queue.doctor() == []


def test_what_is_no_chunk_does_not_hold_up_upkeep(stage):
    stage.check = False
    stage.client.zadd(stage.tag + "expiry", {"abc": 1})
    due = stage.submit(delay_ms=1_000)
    stage.clock.advance(2)
    stage.run(scripts.tend(stage.tag, limit=100))
    assert stage.places(due) == ["lane"]
    assert stage.client.zscore(stage.tag + "expiry", "abc") is None
