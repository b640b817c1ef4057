"""The checker catches what it is there to catch: forged bad histories, and good ones that come close to
them."""

from __future__ import annotations

import pytest

from tests.chaos import checker
from tests.chaos.forge import OTHER, WORKER, Forge
from tests.chaos.forged import BAD
from tests.chaos.history import NEVER, History, add_lines

GOOD = []


def good(forge):
    GOOD.append(pytest.param(forge, id=forge.__name__))
    return forge


@good
def jobs_that_run_and_complete(f):
    f.submit("a", "b")
    f.live_well("a", "b")


@good
def a_submit_of_unknown_outcome_that_took_place(f):
    f.submit("a")
    f.history.calls[0].outcome, f.history.calls[0].completed = "unknown", NEVER
    f.live_well("a")


@good
def a_submit_of_unknown_outcome_that_did_not(f):
    f.submit("a", outcome="unknown")


@good
def a_refused_submit(f):
    f.submit("a", outcome="failed")


@good
def a_lost_attempt_that_is_refused(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.claim("a", worker=OTHER, attempt=2)
    f.run("a", 2, OTHER)
    f.end("a", "completed", 2, OTHER)
    f.end("a", "stale", 1)


@good
def a_handed_over_job_that_runs_before_its_worker_is_told_so(f):
    f.submit("a")
    f.claim("a", script="adopt", at=(100, 300))
    f.time = 150
    f.run("a")
    f.time = 300
    f.end("a")


@good
def a_handed_over_job_whose_worker_died_before_it_was_told_so(f):
    f.submit("a")
    f.claim("a", script="adopt", outcome="unknown")
    f.run("a")
    f.claim("a", worker=OTHER, attempt=2)
    f.run("a", 2, OTHER)
    f.end("a", attempt=2, worker=OTHER)


@good
def an_attempt_that_fails_and_the_next(f):
    f.submit("a")
    f.claim("a")
    f.run("a", how="raised")
    f.end("a", "retrying", asked="failed")
    f.claim("a", attempt=2)
    f.run("a", 2)
    f.end("a", attempt=2)


@good
def a_report_of_unknown_outcome_that_is_repeated(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.end("a", outcome="unknown")
    f.end("a", "already")


@good
def a_dead_letter_with_a_second_life(f):
    f.submit("a")
    f.claim("a")
    f.run("a", how="raised")
    f.end("a", "failed", asked="failed")
    f.see("a", "failed")
    f.from_outside("a", "retry", "pending")
    f.see("a", "pending")
    f.claim("a", attempt=2)
    f.run("a", 2)
    f.end("a", attempt=2)
    f._become("a", "completed", by_other=False)


@good
def a_retry_that_overtakes_the_reply_of_the_end_before_it(f):
    f.submit("a")
    f.claim("a")
    f.run("a", how="raised")
    f.end("a", "failed", asked="failed", at=(50, 500))
    f.from_outside("a", "retry", "pending", at=(60, 70))
    f.claim("a", attempt=2, at=(600, 610))
    f.run("a", 2)
    f.end("a", attempt=2, at=(700, 710))
    f._become("a", "completed", by_other=False)


@good
def a_cancel_while_it_runs(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.from_outside("a", "cancel", "cancelled")
    f.end("a", "stale")


@good
def a_lost_worker_without_retries_left(f):
    f.submit("a")
    f.claim("a")
    f._become("a", "failed", error="worker lost: w0-1 did not renew its lease (attempt 1)", by_other=True)


@good
def claims_that_overlap(f):
    f.submit("a", "b")
    f.claim("a", at=(100, 200), worker=WORKER)
    f.claim("b", at=(90, 150), worker=OTHER)
    for job_id, worker in (("a", WORKER), ("b", OTHER)):
        f.run(job_id, worker=worker)
        f.end(job_id, worker=worker)


@good
def a_job_handed_to_a_parked_worker_that_died(f):
    f._call(OTHER, "park", {"park_ns": 10**12}, [])
    f.submit("a")
    f.submit("b")
    f.live_well("b", "a")


@good
def a_job_handed_to_a_worker_that_its_turn_had_parked_and_that_died(f):
    f._call(OTHER, "turn", {"ends": [], "park_ns": 10**12}, {"words": [], "claims": [], "parked": True})
    f.submit("a")
    f.submit("b")
    f.live_well("b", "a")


@good
def a_claim_whose_reply_was_lost_and_that_was_adopted_later(f):
    f.submit("a", "b")
    f._call(OTHER, "claim", {}, "QueueUnavailableError", "unknown")
    f.live_well("b")
    f.claim("a", worker=OTHER, script="adopt")
    f.run("a", worker=OTHER)
    f.end("a", worker=OTHER)


@good
def a_delayed_job_that_comes_after_later_ones(f):
    f.submit("a", plain=0)
    f.submit("b")
    f.live_well("b", "a")


# --- the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("forge", GOOD)
def test_a_legal_history_is_accepted(forge):
    made = Forge()
    forge(made)
    assert made.broken_rules() == set()


@pytest.mark.parametrize(("rules", "forge"), BAD)
def test_a_forged_history_is_caught_by_the_rules_that_it_breaks_and_no_others(rules, forge):
    made = Forge()
    forge(made)
    assert made.broken_rules() == rules


def test_every_rule_has_a_forged_history():
    rules = {rule.__name__ for rule in (*checker.OF_A_JOB, *checker.OF_THE_WHOLE)}
    assert {rule for case in BAD for rule in case.values[0]} == rules


LINES = [
    '{"do":"submit","n":1,"t":1,"jobs":[["a","noop","c1",1]]}',
    '{"done":1,"t":2,"ok":1}',
    '{"do":"claim","n":2,"t":3}',
    '{"done":2,"t":4,"ok":[["a","1.1"]]}',
    '{"ran":"1.1","job":"a","t":5}',
    '{"ran":"1.1","job":"a","t":5,"end":7,"how":"ok"}',
    '{"do":"turn","n":3,"t":8,"ends":[["a","1.1","completed"]]}',
]


def test_a_call_without_an_answer_is_one_whose_process_was_killed():
    history = History()
    add_lines(history, WORKER, LINES)
    assert [call.outcome for call in history.calls] == ["ok", "ok", "unknown"]
    assert [(run.begun, run.ended) for run in history.runs] == [(5, 7)]


def test_only_the_last_line_of_a_killed_process_may_be_cut():
    history = History()
    add_lines(history, WORKER, [*LINES[:-1], LINES[-1][:20], ""])
    assert len(history.calls) == 2
    with pytest.raises(ValueError, match="a damaged line"):
        add_lines(History(), WORKER, [LINES[0], LINES[1][:9], *LINES[2:]])
