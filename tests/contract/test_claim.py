"""lua/claim.lua: waiting jobs for a worker, fairly between companies."""

from __future__ import annotations

import itertools

import pytest

from faciliter_jobs import scripts
from faciliter_jobs.scripts import Outcome
from tests.support.contract import IN_LANE, LEASE_MS, MISSING, PICKED_UP, PLACE_OF, PROCESSING, STATES, TTL_MS


def _companies(stage, claimed):
    return [stage.job(c.job_id).company_id for c in claimed]


@pytest.mark.parametrize("state", STATES)
def test_only_a_job_in_a_lane_is_claimed(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    claimed = stage.claim(10, "w2")
    if state == IN_LANE:
        assert [c.job_id for c in claimed] == [job_id]
        assert stage.places(job_id) == ["leases", "processing:w2"]
    else:
        assert claimed == []
        assert stage.snapshot() == before


def test_a_second_claim_gets_other_jobs(either_stage):
    stage = either_stage
    ids = stage.submit_many(4)
    assert [c.job_id for c in stage.claim(2, "w1")] == ids[:2]
    assert [c.job_id for c in stage.claim(2, "w2")] == ids[2:]
    assert stage.claim(2, "w3") == []


def test_it_starts_an_attempt_under_a_lease(stage):
    """LESSONS 4: claim, status and lease are one script."""
    job_id = stage.submit(input=b"\x81\xa1a\x01")
    stage.clock.advance(5)
    claimed = stage.claim_one()
    job = stage.job(job_id)
    assert (job.status.value, job.attempt, job.worker, job.progress) == ("processing", 1, "w1", 0)
    assert job.started_at == job.updated_at == "2027-01-15T08:00:05.000+00:00"
    assert stage.client.zscore(stage.tag + "leases", job_id) == stage.clock.now_ms + LEASE_MS
    assert claimed.token == stage.field(job_id, "seq") + ".1"
    assert claimed.job() == job, "the claim returns the job as it stands then"


def test_each_attempt_has_another_token(stage):
    job_id = stage.submit()
    tokens = []
    for _ in range(3):
        claimed = stage.claim_one()
        tokens.append(claimed.token)
        stage.fail(job_id, claimed.token, claimed.token, max_retries=5)
    assert len(set(tokens)) == 3


def test_only_the_types_asked_for(stage):
    a, b = stage.submit(job_type="a"), stage.submit(job_type="b")
    assert stage.claim(10, types=("c",)) == []
    assert [c.job_id for c in stage.claim(10, types=("b", "c"))] == [b]
    assert [c.job_id for c in stage.claim(10, types=("a",))] == [a]


def test_no_types_are_any_type(stage):
    ids = {stage.submit(job_type=f"type {i}") for i in range(5)}
    assert {c.job_id for c in stage.claim(10, types=())} == ids


# --- order ----------------------------------------------------------------------------------------


def test_first_in_first_out_within_a_company(stage):
    ids = stage.submit_many(10)
    assert [c.job_id for want in (1, 4, 1, 4) for c in stage.claim(want)] == ids


@pytest.mark.parametrize("want", [1, 2, 10])
def test_a_company_s_single_job_waits_one_turn_whatever_others_have_queued(stage, want):
    stage.submit_many(1000, company="A")
    single = stage.submit(company="B")
    stage.check = False
    claimed = [c.job_id for _ in range(2) for c in stage.claim(want)]
    assert single in claimed


@pytest.mark.parametrize("want", [1, 3])
def test_companies_take_turns(stage, want):
    for company in "ABC":
        stage.submit_many(100, company=company)
    stage.check = False
    served = [company for _ in range(9) for company in _companies(stage, stage.claim(want))]
    for first in range(0, len(served), 3):
        assert sorted(served[first : first + 3]) == ["A", "B", "C"]


@pytest.mark.parametrize("want", [1, 2, 7])
def test_no_company_waits_more_than_one_round_of_the_others(stage, want):
    companies = [f"c{i}" for i in range(5)]
    for company in companies:
        stage.submit_many(30, company=company)
    stage.check = False
    served = [company for _ in range(40 // want) for company in _companies(stage, stage.claim(want))]
    for company in companies:
        turns = [i for i, c in enumerate(served) if c == company]
        assert turns, f"{company} was never served in {len(served)} claims"
        assert max(b - a for a, b in itertools.pairwise(turns)) <= 2 * len(companies)


def test_a_batch_interleaves_the_companies(stage):
    for company in "AB":
        stage.submit_many(5, company=company)
    assert "".join(_companies(stage, stage.claim(6))) in ("ABABAB", "BABABA")


def test_a_batch_goes_round_as_single_claims_do(stage):
    def submitted():
        for company, count in (("short", 1), ("long", 5), ("other", 5)):
            stage.submit_many(count, company=company)

    submitted()
    by_ones = [stage.claim_one().job().company_id for _ in range(11)]
    submitted()
    in_batches = [claimed.job().company_id for want in (5, 4, 2) for claimed in stage.claim(want)]
    assert in_batches == by_ones


def test_a_batch_is_full_while_jobs_wait(stage):
    stage.submit_many(20, company="A")
    stage.submit(company="B")
    stage.submit(company="C")
    assert sorted(_companies(stage, stage.claim(10))) == ["A"] * 8 + ["B", "C"]


def test_jobs_without_a_company_take_turns_as_one(stage):
    stage.submit_many(5, company=None)
    stage.submit_many(5, company="A")
    assert sorted(map(str, _companies(stage, stage.claim(4)))) == ["A", "A", "None", "None"]


def test_a_company_that_comes_back_stands_at_the_end_of_the_ring(stage):
    for company in "AB":
        stage.submit_many(3, company=company)
    assert _companies(stage, stage.claim(2)) == ["A", "B"]
    stage.submit(company="C")
    assert set(_companies(stage, stage.claim(3))) == {"A", "B", "C"}


def _many_companies(stage, number, jobs_each):
    """Returns the companies in the order of their turns."""
    stage.check = False
    jobs = [stage.new_job(company=f"c{i}") for i in range(number) for _ in range(jobs_each)]
    stage.run(scripts.submit(stage.tag, jobs=jobs))
    return [name.decode() for name in stage.client.zrange(stage.tag + "ring:0:t", 0, number)]


@pytest.mark.parametrize("want", [1, 20, 32])
def test_a_claim_of_few_jobs_takes_one_of_each_company(stage, want):
    companies = _many_companies(stage, 100, 2)
    served = [company for _ in range(100 // want) for company in _companies(stage, stage.claim(want))]
    assert served == companies[: len(served)]


def test_a_claim_of_many_jobs_takes_several_of_each_of_32_companies(stage):
    """Decision 25. All others are served before these are again."""
    companies = _many_companies(stage, 96, 10)
    for first in (0, 32, 64, 0):
        assert _companies(stage, stage.claim(128)) == companies[first : first + 32] * 4


def test_a_worker_with_many_slots_takes_one_of_each_company(stage):
    """Its handlers need not be quick: a second job would hold a slot that another company waits for."""
    companies = _many_companies(stage, 200, 2)
    turned = stage.turn([], 150, slots=150)
    assert _companies(stage, turned.jobs) == companies[:150]


def test_companies_with_less_than_their_share_leave_the_rest_to_the_next(stage):
    companies = _many_companies(stage, 100, 1)
    assert _companies(stage, stage.claim(64)) == companies[:64]
    assert stage.client.zcard(stage.tag + "ring:0:t") == 36


@pytest.mark.parametrize("single", [["B"], ["A", "B"], ["A", "B", "C"]], ids=len)
def test_lanes_that_a_claim_empties_are_off_the_ring_and_the_others_stay(stage, single):
    """One, several or all of them at once; `stage` checks the invariant after each call."""
    for company in "ABC":
        stage.submit_many(1 if company in single else 2, company=company)
    assert _companies(stage, stage.claim(3)) == ["A", "B", "C"]
    rest = [company for company in "ABC" if company not in single]
    assert [name.decode() for name in stage.client.zrange(stage.tag + "ring:0:t", 0, 9)] == rest
    assert stage.client.exists(stage.tag + "types") == bool(rest)
    assert _companies(stage, stage.claim(3)) == rest


def test_more_companies_at_once_than_one_command_names(stage):
    """lib/lanes: 2,000 arguments in one command; lib/take: 32 lanes in one round."""
    stage.check = False
    jobs = [stage.new_job(company=f"c{i}") for i in range(2500)]
    assert stage.run(scripts.submit(stage.tag, jobs=jobs)) == len(jobs)
    assert stage.client.zcard(stage.tag + "ring:0:t") == len(jobs)
    turns = [score for _, score in stage.client.zrange(stage.tag + "ring:0:t", 0, -1, withscores=True)]
    assert turns == sorted(set(turns))
    claimed = stage.claim(2500)
    assert sorted(c.job_id for c in claimed) == sorted(job.job_id for job in jobs)
    assert stage.client.exists(stage.tag + "ring:0:t", stage.tag + "types") == 0


# --- jobs that run alone --------------------------------------------------------------------------


def test_a_job_that_was_lost_once_is_claimed_alone(stage):
    """LESSONS 19: a job that may kill its worker takes no others with it."""
    poison = stage.job_in(PROCESSING)
    stage.lose(poison)
    others = stage.submit_many(20)
    assert [c.job_id for c in stage.claim(10)] == [poison]
    assert [c.job_id for c in stage.claim(10)] == others[:10]


def test_a_job_that_may_not_be_retried_is_claimed_alone(stage):
    first = stage.submit_many(2)
    once = stage.submit(max_retries=0)
    last = stage.submit_many(2)
    claimed = [[c.job_id for c in stage.claim(10, worker)] for worker in ("w1", "w2", "w3")]
    assert claimed == [first, [once], last]


def test_those_that_come_back_from_such_a_batch_keep_their_order(stage):
    once = stage.submit(max_retries=0, company="A")
    ids = [stage.submit(company=c) for c in "ABBCCC"]
    assert [c.job_id for c in stage.claim(10)] == [once]
    claimed = [c.job_id for c in stage.claim(10)]
    by_company = {c: [i for i in claimed if stage.job(i).company_id == c] for c in "ABC"}
    assert by_company == {"A": ids[:1], "B": ids[1:3], "C": ids[3:]}


@pytest.mark.parametrize("want", [2, 10])
def test_a_company_whose_jobs_run_alone_does_not_hold_up_the_others(stage, want):
    stage.submit_many(50, company="A", max_retries=0)
    single = stage.submit(company="B")
    stage.check = False
    assert single in [c.job_id for _ in range(3) for c in stage.claim(want)]


# --- ttl ------------------------------------------------------------------------------------------


def test_a_job_whose_ttl_has_passed_is_cancelled_on_the_way(stage):
    late = stage.submit(ttl_ms=1000)
    stage.clock.advance(0.5)
    in_time = stage.submit(ttl_ms=1000)
    stage.clock.advance(0.5)
    assert [c.job_id for c in stage.claim(10)] == [in_time]
    job = stage.job(late)
    assert (job.status.value, job.error) == ("cancelled", "expired before it started")
    assert stage.expires_at(late) == stage.clock.now_ms + 1000, "readable for its ttl more"


def test_a_claim_passes_over_a_bounded_number_of_expired_jobs(stage):
    stage.submit_many(400, ttl_ms=1000)
    stage.clock.advance(1)
    assert stage.claim(10) == []
    counts = stage.queue.stats().counts.values()
    assert sorted(counts) == [0, 0, 0, 110, 290]


# --- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("want", [1, 7, 100, 1000])
def test_never_more_than_wanted(stage, want):
    for company in "ABC":
        stage.submit_many(150, company=company)
    stage.check = False
    assert len(stage.claim(want)) == min(want, 450)


def test_a_record_that_is_gone_is_passed_over(stage):
    lost, there = stage.submit_many(2)
    stage.client.delete(stage.tag + "job:" + lost)
    stage.check = False
    assert [c.job_id for c in stage.claim(10)] == [there]


@pytest.mark.parametrize("state", [MISSING, PICKED_UP, PROCESSING])
def test_nothing_waits_nothing_changes(stage, state):
    job_id = stage.job_in(state)
    assert stage.claim(5) == []
    assert stage.places(job_id) == PLACE_OF[state]


def test_a_delayed_job_is_claimed_once_it_was_promoted(stage):
    job_id = stage.submit(delay_ms=1000, ttl_ms=TTL_MS)
    stage.clock.advance(1)
    assert stage.claim(1) == []
    stage.promote()
    assert stage.claim_one().job_id == job_id


def test_a_worker_that_holds_jobs_is_not_given_one_that_runs_alone(stage):
    """LESSONS 19: if it kills the worker, it takes no other job with it."""
    stage.submit()
    held = stage.claim_one("w1")
    alone = stage.submit(max_retries=0)
    behind = stage.submit()
    assert stage.turn([], want=10, worker="w1").jobs == []
    assert [c.job_id for c in stage.turn([], want=10, worker="w2").jobs] == [alone]
    stage.complete(held.job_id, held.token, held.token)
    assert [c.job_id for c in stage.turn([], want=10, worker="w1").jobs] == [behind]


def test_what_other_callers_of_a_client_hold_keeps_no_job_from_one_of_them(stage):
    """Each claims one job to run at once: it would wait behind their jobs, and all others behind it."""
    stage.submit()
    stage.claim_one("client")
    alone = stage.submit(max_retries=0)
    behind = stage.submit()
    assert [stage.claim_one("client").job_id for _ in range(2)] == [alone, behind]


# --- workers with several slots -------------------------------------------------------------------


def test_with_several_slots_jobs_that_may_not_be_retried_are_claimed_together(stage):
    ids = stage.submit_many(3, max_retries=0)
    assert [c.job_id for c in stage.turn([], want=3, slots=4).jobs] == ids


def test_with_several_slots_a_job_that_was_lost_once_keeps_company(stage):
    lost = stage.submit()
    stage.claim_one("w9")
    stage.lose(lost)
    other = stage.submit()
    assert {c.job_id for c in stage.turn([], want=2, slots=4).jobs} == {lost, other}


def test_with_several_slots_a_job_that_was_lost_twice_is_claimed_alone(stage):
    """LESSONS 19."""
    lost = stage.submit()
    for worker in ("w8", "w9"):
        stage.claim_one(worker)
        stage.lose(lost)
    other = stage.submit()
    assert [c.job_id for c in stage.turn([], want=2, slots=4).jobs] == [lost]
    assert [c.job_id for c in stage.turn([], want=2, slots=4, worker="w2").jobs] == [other]


def test_a_worker_of_several_slots_that_holds_jobs_is_told_to_come_again_for_one_that_runs_alone(stage):
    lost = stage.submit()
    for worker in ("w8", "w9"):
        stage.claim_one(worker)
        stage.lose(lost)
    stage.submit(job_type="u")
    held = stage.claim(1, types=("u",))
    parked = stage.park(want=2, slots=4, known=(held[0].job_id,))
    assert (parked.jobs, parked.wait_ms) == ([], 0)
    stage.turn([Outcome(held[0].job_id, held[0].token, "completed", b"\xc0")])
    assert [c.job_id for c in stage.park(want=2, slots=4).jobs] == [lost]


@pytest.mark.parametrize("damage", [("HDEL", "ttl"), ("HDEL", "at"), ("HSET", "ttl", "soon"), ("DEL",)])
def test_a_damaged_record_takes_no_other_job_with_it(stage, damage):
    """LESSONS 41: the script goes on, so the jobs that it has taken from their lanes are not lost."""
    damaged, *others = stage.submit_many(3)
    stage.check = False
    key = stage.tag + "job:" + damaged
    stage.client.execute_command(damage[0], key, *damage[1:])
    if damage == ("DEL",):
        stage.client.set(key, "something else")
    assert [c.job_id for c in stage.claim(10)] == others


def test_something_else_in_a_lane_s_place_costs_no_other_company_its_jobs(stage):
    """The doctor sets it aside, and the jobs that the record says wait there wait again."""
    stage.check = False
    ids = {company: [stage.submit(company=company) for _ in range(3)] for company in "abc"}
    stage.client.set(stage.tag + "lane:0:1:t:b", "junk")
    claimed = [job.job_id for _ in range(6) for job in stage.claim(2)]
    assert sorted(claimed) == sorted(ids["a"] + ids["c"])
    stage.queue.doctor(repair=True)
    assert [job.job_id for job in stage.claim(9)] == ids["b"]
