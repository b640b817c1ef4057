"""lua/submit_one.lua does what submit does for one job."""

from __future__ import annotations

from itertools import count

import pytest

from faciliter_jobs import scripts
from tests.support.clock import Clock
from tests.support.contract import STATES, Stage

FIELDS = {
    "bare": {"company": None, "user": None},
    "a company": {"user": None},
    "a user": {"company": None},
    "both": {},
    "a user away from home": {"company": "other"},
    "everything": {
        "session": "s",
        "input": b"\x81\xa1a\xc4\x78" + b"x" * 120,
        "metadata": b"\x81\xa1b\x02",
        "ttl_ms": 5,
        "max_retries": 7,
        "retry_delay_ms": 1500,
        "timeout_ms": 2500,
    },
    "a long payload": {"input": b"\xc5\x02\x58" + b"x" * 600},
    "delayed": {"delay_ms": 1000},
    "run at a time": {"run_at_ms": Clock.START_MS + 1},
    "run at a time that has passed": {"run_at_ms": 5},
}


def _empty(stage):
    return None


def _another_waits(stage):
    stage.submit(job_id="first")


def _others_wait_in_line(stage):
    for company in ("x", "y"):
        stage.submit_many(2, company=company)


def _parked(stage):
    stage.park("w1")
    stage.park("w2", types=("other",))


def _parked_for_another_type(stage):
    stage.park("w1", types=("other",))


def _far_on(stage):
    stage.client.set(stage.tag + "seq", 64 * 140_000_000_000)


@pytest.fixture
def two_stages(make_queue):
    queues = [make_queue(), make_queue()]
    return [Stage(queue, Clock(queue)) for queue in queues]


@pytest.mark.parametrize(
    "before", [_empty, _another_waits, _others_wait_in_line, _parked, _parked_for_another_type, _far_on]
)
@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_it_leaves_what_submit_leaves(two_stages, before, fields):
    left = []
    for stage, call in zip(two_stages, ("submit", "submit_one")):
        before(stage)
        job = stage.new_job(job_id="new", **fields)
        if call == "submit":
            added = stage.run(scripts.submit(stage.tag, jobs=[job]))
        else:
            added = stage.run(scripts.submit_one(stage.tag, job=job))
        assert added == 1
        left.append(stage.snapshot())
    assert left[0] == left[1]


@pytest.mark.parametrize("state", STATES[1:])
def test_an_id_that_exists_is_left_as_it_is(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    stage.clock.advance(1)
    again = stage.new_job(job_id=job_id, job_type="other", company="other", input=b"\x80", ttl_ms=1)
    assert stage.run(scripts.submit_one(stage.tag, job=again)) == 0
    assert stage.snapshot() == before


def test_one_by_one_and_together_get_their_numbers_from_one_line(stage):
    numbers = count(1)
    for job_id in (stage.submit(), *stage.submit_many(3), stage.submit()):
        assert int(stage.client.hget(stage.tag + "job:" + job_id, "seq")) == next(numbers)
