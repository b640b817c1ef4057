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
        assert stage.run(scripts.tend(stage.tag, limit=100)) is None
        assert stage.places(due) == ["lane"] and stage.places(lost) == ["lane"]
        assert stage.job(old).status.value == "cancelled"
