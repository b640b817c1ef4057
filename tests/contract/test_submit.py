"""lua/submit.lua: jobs are added, all or none, each once."""

from __future__ import annotations

import pytest

from faciliter_jobs import JobStatus, scripts
from tests.support.contract import IN_INBOX, IN_LANE, PICKED_UP, PROCESSING, SCHEDULED, STATES, TTL_MS


def _submit(stage, *jobs):
    return stage.run(scripts.submit(stage.tag, jobs=jobs))


def test_a_job_waits_in_its_lane(either_stage):
    job_id = either_stage.submit()
    assert either_stage.places(job_id) == ["lane"]
    assert either_stage.job(job_id).status.value == "pending"


def test_it_says_how_many_are_new(stage):
    jobs = [stage.new_job() for _ in range(3)]
    assert _submit(stage, *jobs[:2]) == 2
    assert _submit(stage, *jobs) == 1


@pytest.mark.parametrize("state", STATES[1:])
def test_an_id_that_exists_is_left_as_it_is(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    stage.clock.advance(1)
    again = stage.new_job(job_id=job_id, job_type="other", company="other", input=b"\x80", ttl_ms=1)
    assert _submit(stage, again) == 0
    assert stage.snapshot() == before


def test_sent_twice_it_adds_once(either_stage):
    stage = either_stage
    jobs = [stage.new_job() for _ in range(5)]
    assert _submit(stage, *jobs) == 5
    before = stage.snapshot()
    stage.clock.advance(1)
    assert _submit(stage, *jobs) == 0
    assert stage.snapshot() == before


def test_of_an_id_that_stands_twice_in_a_call_the_first_counts(stage):
    first, second = (stage.new_job(job_id="same", company=c) for c in ("one", "two"))
    assert _submit(stage, first, stage.new_job(), second) == 2
    assert stage.job("same").company_id == "one"
    assert [claimed.job_id for claimed in stage.claim(10)].count("same") == 1


@pytest.mark.parametrize(
    ("fields", "due_s"),
    [
        ({}, None),
        ({"delay_ms": 0}, None),
        ({"delay_ms": 1}, 0.001),
        ({"delay_ms": 90_000}, 90),
        ({"run_at_ms": 0}, None),
        ({"run_at_ms": 1_800_000_000_000}, None),
        ({"run_at_ms": 1_800_000_000_001}, 0.001),
        ({"run_at_ms": 1_800_000_060_000}, 60),
    ],
)
def test_a_job_that_is_due_later_is_scheduled(stage, fields, due_s):
    job_id = stage.submit(**fields)
    assert stage.places(job_id) == ["lane" if due_s is None else "scheduled"]
    due_ms = stage.client.zscore(stage.tag + "scheduled", job_id)
    assert due_ms == (None if due_s is None else stage.clock.now_ms + due_s * 1000)


@pytest.mark.parametrize("late_ms", [0, 5_000])
def test_the_ttl_counts_from_the_due_time(stage, late_ms):
    job_id = stage.submit(delay_ms=late_ms)
    assert stage.expires_at(job_id) == stage.clock.now_ms + late_ms + TTL_MS


def test_what_is_not_given_is_not_stored(stage):
    job_id = stage.submit(company=None, user=None)
    stored = stage.client.hkeys(stage.tag + "job:" + job_id)
    assert sorted(stored) == sorted([b"status", b"type", b"seq", b"at", b"ttl"])
    assert [name for name in stage.names() if name.startswith("index:")] == []


def test_every_field_is_kept(stage):
    job_id = stage.submit(
        session="s",
        input=b"\x81\xa1a\x01",
        metadata=b"\x81\xa1b\x02",
        max_retries=7,
        retry_delay_ms=1500,
        timeout_ms=2500,
        delay_ms=1000,
    )
    job = stage.job(job_id)
    assert (job.job_type, job.company_id, job.user_id, job.session_id) == ("t", "acme", "ann", "s")
    assert (job.input_data, job.metadata) == ({"a": 1}, {"b": 2})
    assert (job.max_retries, job.retry_delay, job.timeout) == (7, 1.5, 2.5)
    assert job.due_at == "2027-01-15T08:00:01.000+00:00"
    assert job.created_at == job.updated_at == "2027-01-15T08:00:00.000+00:00"


# --- hand-off -------------------------------------------------------------------------------------


def test_a_job_goes_to_exactly_one_parked_worker(either_stage):
    stage = either_stage
    for worker in ("w1", "w2", "w3"):
        stage.park(worker)
    job_id = stage.submit()
    (inbox,) = [place for place in stage.places(job_id) if place != "leases"]
    assert inbox in ("inbox:w1", "inbox:w2", "inbox:w3")
    assert stage.queue.stats().parked == 2


def test_each_parked_worker_gets_one_job_and_the_rest_wait_in_the_lane(stage):
    stage.park("w1")
    stage.park("w2")
    ids = stage.submit_many(5)
    places = sorted(stage.places(job_id)[0] for job_id in ids)
    assert places == ["inbox:w1", "inbox:w2", "lane", "lane", "lane"]


def test_a_worker_is_only_handed_types_that_it_parked_for(stage):
    stage.park("w1", types=("other", "another"))
    assert stage.places(stage.submit()) == ["lane"]
    assert stage.places(stage.submit(job_type="another")) == ["inbox:w1", "leases"]


def test_a_worker_that_parked_for_any_type_is_handed_any(stage):
    stage.park("w1", types=())
    assert stage.places(stage.submit(job_type="whatever")) == ["inbox:w1", "leases"]


def test_a_worker_for_the_type_goes_before_one_for_any(stage):
    stage.park("any", types=())
    stage.park("special", types=("t",))
    assert "inbox:special" in stage.places(stage.submit())
    assert "inbox:any" in stage.places(stage.submit())


def test_a_parked_worker_whose_time_is_over_is_passed_over(stage):
    stage.park("late", park_ms=1_000)
    stage.clock.advance(1.5)
    assert stage.places(stage.submit()) == ["lane"]


def test_a_parked_worker_is_found_behind_those_whose_time_is_over(stage):
    stage.park("late", park_ms=1_000)
    stage.clock.advance(1.5)
    stage.park("there")
    assert "inbox:there" in stage.places(stage.submit())
    assert stage.places(stage.submit()) == ["lane"]


def test_a_worker_that_left_is_passed_over(stage):
    stage.park("gone")
    stage.park("there")
    stage.leave("gone")
    assert "inbox:there" in stage.places(stage.submit())
    assert stage.places(stage.submit()) == ["lane"]


def test_a_worker_that_is_parked_for_several_types_gets_one_job_of_them(stage):
    stage.park("w1", types=("a", "b"))
    assert "inbox:w1" in stage.places(stage.submit(job_type="a"))
    assert stage.places(stage.submit(job_type="b")) == ["lane"]


def test_a_handed_over_job_has_a_short_lease_and_returns_when_the_worker_is_dead(stage):
    """LESSONS 13 and the BLMOVE gap: no id is ever in a list without a lease."""
    for state in (IN_INBOX, PICKED_UP):
        job_id = stage.job_in(state)
        stage.clock.advance(1.999)
        assert stage.recover() == 0 and "leases" in stage.places(job_id)
        stage.clock.advance(0.001)
        assert stage.recover() == 1
        assert stage.places(job_id) == ["lane"]
        job = stage.job(job_id)
        assert (job.attempt, job.retry_count, job.worker) == (0, 0, None)
        assert stage.claim_one().job_id == job_id
        stage.complete(job_id)


def test_a_dead_worker_s_job_goes_to_one_that_is_parked(stage):
    job_id = stage.job_in(PICKED_UP)
    stage.park("w2")
    stage.clock.advance(2)
    stage.recover()
    assert stage.places(job_id) == ["inbox:w2", "leases"]


@pytest.mark.parametrize("state", [SCHEDULED, IN_LANE, IN_INBOX, PROCESSING])
def test_submission_numbers_rise_whatever_becomes_of_the_jobs(stage, state):
    first = stage.job_in(state)
    second = stage.submit()
    assert int(stage.field(second, "seq")) == int(stage.field(first, "seq")) + 1


# --- size -----------------------------------------------------------------------------------------


def test_ten_thousand_jobs_fit_in_one_call(stage):
    """LESSONS 31: no unpack over a whole call."""
    stage.check = False
    jobs = [stage.new_job(company=f"c{i % 50}", user=f"u{i}") for i in range(10_000)]
    assert _submit(stage, *jobs) == 10_000
    assert stage.queue.stats().counts[JobStatus.PENDING] == 10_000
    stage.client.unlink(*[stage.tag + name for name in stage.names()])  # faster than the fixture does
