"""Forged bad histories: one or more for each rule of the checker, with the rules that they break."""

from __future__ import annotations

import pytest

from tests.chaos.forge import OTHER, WORKER

BAD = []


def bad(*rules):
    def add(forge):
        BAD.append(pytest.param(set(rules), forge, id=forge.__name__))
        return forge

    return add


@bad("lost")
def an_acknowledged_job_without_a_record(f):
    f.submit("a", "b")
    f.live_well("b")
    del f.final.jobs["a"]


@bad("lost")
def an_acknowledged_job_that_is_not_found_for_a_while(f):
    f.submit("a")
    f.see("a", "missing")
    f.live_well("a")


@bad("invented")
def a_refused_submit_that_left_a_job(f):
    f.submit("a")
    f.history.calls[0].outcome = "failed"
    f.live_well("a")


@bad("invented")
def a_job_that_nobody_submitted(f):
    f.submit("a")
    f.live_well("a")
    f.history.calls.pop(0)


@bad("submitted_twice")
def one_id_with_two_submission_numbers(f):
    f.submit("a")
    f.live_well("a")
    f._become("a", "completed", seq=7, by_other=True)


@bad("stuck")
def a_job_that_is_left_pending(f):
    f.submit("a")


@bad("stuck")
def a_job_that_is_left_processing(f):
    f.submit("a")
    f.claim("a")


@bad("committed_twice")
def two_attempts_that_commit(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.claim("a", worker=OTHER, attempt=2, at=(15, 1000))
    f.run("a", 2, OTHER)
    f.end("a", "completed", 1, at=(100, 900))
    f.end("a", "completed", 2, OTHER, at=(100, 900))


@bad("committed_twice", "changed_after_its_end")
def a_cancel_and_a_completion_that_are_both_accepted(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.from_outside("a", "cancel", "cancelled", at=(100, 200))
    f.end("a", at=(100, 200))


@bad("attempt_ended_twice")
def an_attempt_that_is_told_twice_that_it_failed(f):
    f.submit("a")
    f.claim("a")
    f.run("a", how="raised")
    f.end("a", "retrying", asked="failed")
    f.end("a", "retrying", asked="failed")
    f.claim("a", attempt=2)
    f.run("a", 2)
    f.end("a", attempt=2)


@bad("stale_accepted")
def a_stale_attempt_whose_failure_is_accepted(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.claim("a", worker=OTHER, attempt=2)
    f.end("a", "retrying", 1, asked="failed")
    f.run("a", 2, OTHER)
    f.end("a", "completed", 2, OTHER)


@bad("stale_accepted", "changed_after_its_end")
def a_stale_attempt_whose_completion_is_accepted(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.claim("a", worker=OTHER, attempt=2)
    f.end("a", "completed", 1)
    f.see("a", "processing")
    f._become("a", "completed", attempt=1)


@bad("changed_after_its_end")
def a_finished_job_that_is_seen_running(f):
    f.submit("a")
    f.live_well("a")
    f.see("a", "processing")


@bad("changed_after_its_end")
def a_finished_job_that_is_claimed_again(f):
    f.submit("a")
    f.live_well("a")
    f.claim("a", attempt=2)
    f._become("a", "completed", attempt=1)


@bad("changed_after_its_end")
def an_acknowledged_end_that_is_not_there_in_the_end(f):
    f.submit("a")
    f.live_well("a")
    f.from_outside("a", "cancel", "", outcome="unknown")
    f._become("a", "cancelled", by_other=True)


@bad("changed_after_its_end")
def a_job_seen_as_failed_that_completes_without_a_retry(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.see("a", "failed")
    f.end("a")


@bad("ended_by_nobody")
def a_cancelled_job_that_nobody_cancelled(f):
    f.submit("a")
    f._become("a", "cancelled", by_other=True)


@bad("never_ran")
def a_job_that_completed_without_a_run(f):
    f.submit("a")
    f.claim("a")
    f.end("a")


@bad("ran_twice_in_one_attempt")
def one_attempt_that_runs_twice(f):
    f.submit("a")
    f.claim("a")
    f.run("a")
    f.run("a")
    f.end("a")


@bad("attempt_of_two_workers")
def one_attempt_given_to_two_workers(f):
    f.submit("a")
    f.claim("a")
    f.claim("a", worker=OTHER)
    f.run("a")
    f.end("a")


@bad("ran_unclaimed")
def a_run_without_a_claim(f):
    f.submit("a")
    f.run("a")
    f.end("a")


@bad("ran_unclaimed")
def a_run_after_its_worker_was_told_that_it_has_no_job(f):
    f.submit("a")
    f._call(WORKER, "adopt", {}, [])
    f.run("a")
    f.end("a")


@bad("ran_unclaimed")
def a_run_long_after_its_worker_asked_for_another_job(f):
    f.submit("a", "b")
    f.claim("b", script="adopt", outcome="unknown")
    f.claim("b")
    f.run("b")
    f.run("a")
    f.end("b")
    f.end("a")


@bad("submitted_out_of_order")
def a_later_submit_with_an_earlier_number(f):
    f.submit("a")
    f.submit("b")
    f._become("a", "pending", seq=2)
    f._become("b", "pending", seq=1)
    f.live_well("b", "a")


@bad("submitted_out_of_order")
def jobs_of_one_call_in_another_order(f):
    f.submit("a", "b")
    f._become("a", "pending", seq=2)
    f._become("b", "pending", seq=1)
    f.live_well("b", "a")


@bad("claimed_out_of_order")
def a_job_claimed_before_the_one_in_front_of_it(f):
    f.submit("a")
    f.submit("b")
    f.live_well("b", "a")


@bad("claimed_out_of_order")
def overtaken_although_its_hand_off_was_looked_for_in_time(f):
    """The parked worker came back at once and had not been handed it: so it stood in the lane."""
    f._call(OTHER, "park", {"park_ns": 10**12}, [])
    f.submit("a")
    f._call(OTHER, "adopt", {}, [])
    f.submit("b")
    f.live_well("b", "a")


@bad("claimed_out_of_order")
def overtaken_although_the_turn_of_the_other_had_not_parked_it(f):
    f._call(OTHER, "turn", {"ends": [], "park_ns": 10**12}, {"words": [], "claims": [], "parked": False})
    f.submit("a")
    f.submit("b")
    f.live_well("b", "a")


@bad("doctor_finds_something")
def a_broken_invariant(f):
    f.submit("a")
    f.live_well("a")
    f.final.problems.append("a: COMPLETED but still leased")


@bad("wrong_counts")
def a_counter_that_is_off_by_one(f):
    f.submit("a")
    f.live_well("a")
    f.final.counts = {"completed": 2}


@bad("wrong_counts")
def a_lease_that_is_left(f):
    f.submit("a")
    f.live_well("a")
    f.final.leased = 1


@bad("wrong_counts")
def a_scheduled_entry_that_is_left(f):
    f.submit("a")
    f.live_well("a")
    f.final.scheduled = 1


@bad("wrong_listing")
def a_listing_that_misses_a_job(f):
    f.submit("a", "b")
    f.live_well("a", "b")
    f.final.listings = [({"company": "c1"}, ["b"])]


@bad("wrong_listing")
def a_listing_that_names_one_twice(f):
    f.submit("a", "b")
    f.live_well("a", "b")
    f.final.listings = [({"company": "c1"}, ["b", "b", "a"])]


@bad("wrong_listing")
def a_listing_oldest_first(f):
    f.submit("a", "b")
    f.live_well("a", "b")
    f.final.listings = [({"status": "completed"}, ["a", "b"])]


@bad("script_failed")
def a_script_with_an_error(f):
    f.submit("a")
    f.live_well("a")
    f._call("p0-1", "submit", {"jobs": [("x", "noop", "c1", 1)]}, "ScriptFailedError: submit: nil", "unknown")
