"""How much a worker holds: about 50 ms of work, and never what an idle one could run."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter

from faciliter_jobs import JobStatus
from faciliter_jobs.worker.claimer import Claimer
from faciliter_jobs.worker.hands import Pace
from tests.support.wait import until


def _completed(queue):
    return queue.stats().counts[JobStatus.COMPLETED]


def test_ten_jobs_of_a_second_on_five_workers_take_about_two_seconds(queue, run_worker):
    for _ in range(5):
        run_worker({"t": lambda job: time.sleep(1)}, poll_interval=5)
    until(lambda: queue.stats().parked == 5)
    began = time.monotonic()
    queue.submit_jobs([{"job_type": "t"}] * 10)
    until(lambda: _completed(queue) == 10, timeout=10)
    assert time.monotonic() - began < 2.9  # with one more round it would be 3


def test_what_waits_behind_a_long_job_is_given_to_others(queue, run_worker):
    """A worker that was quick holds many jobs when a slow one comes."""
    go_on = threading.Event()

    def handle(job):
        if job.input_data["slow"]:
            go_on.wait(20)

    quick = [{"job_type": "t", "input_data": {"slow": False}}] * 400
    slow = [{"job_type": "t", "input_data": {"slow": True}}]
    ids = queue.submit_jobs(quick + slow + quick)
    run_worker({"t": handle}, poll_interval=5)
    until(lambda: queue.get_job(ids[400]).status is JobStatus.PROCESSING)
    run_worker({"t": handle}, poll_interval=5)
    until(lambda: _completed(queue) == 800, timeout=10)
    assert queue.get_job(ids[400]).attempt == 1
    assert queue.doctor() == []
    go_on.set()
    until(lambda: _completed(queue) == 801)
    assert all(queue.get_job(i).attempt == 1 for i in ids)  # giving back is no attempt


def test_an_outcome_is_not_held_while_the_next_job_runs(queue, run_worker):
    go_on = threading.Event()

    def handle(job):
        if job.input_data["slow"]:
            go_on.wait(20)

    quick = [{"job_type": "t", "input_data": {"slow": False}}] * 100
    ids = queue.submit_jobs([*quick, {"job_type": "t", "input_data": {"slow": True}}])
    run_worker({"t": handle})
    until(lambda: _completed(queue) == 100, timeout=5)
    assert queue.get_job(ids[-1]).status is JobStatus.PROCESSING
    go_on.set()


def test_unstarted_jobs_go_back_to_the_front_of_their_lane_on_stop(queue, run_worker):
    started = []

    def handle(job):
        started.append(job.job_id)
        if len(started) == 300:
            worker.stop()

    ids = queue.submit_jobs([{"job_type": "t"}] * 1000)
    worker = run_worker({"t": handle})
    until(lambda: not worker.is_running())
    assert started == ids[:300]
    assert queue.stats().leased == 0 and queue.doctor() == []
    assert queue.get_pending_job().job_id == ids[300]


def test_the_pace_is_one_until_a_handler_proves_quick_and_doubles_at_most():
    pace = Pace()
    assert pace.room() == 1
    rooms = []
    for _ in range(12):
        pace.note(0.00001)
        pace.claimed(pace.room())
        rooms.append(pace.room())
    assert all(b <= max(2, 2 * a) for a, b in itertools.pairwise(rooms))


def test_one_slow_job_makes_the_pace_careful_at_once():
    pace = Pace()
    for _ in range(200):
        pace.note(0.00001)
        pace.claimed(pace.room())
    assert pace.room() > 100
    pace.note(1.0)
    assert pace.room() == 1


def test_a_job_whose_report_is_on_its_way_is_not_run_again(queue, run_worker, monkeypatch):
    """The steward reports while a handler runs; the worker that ends meanwhile, and looks into its own
    lists for what a lost reply may have left there, must not take the reported job for such a one."""
    report = Claimer.report
    runs: Counter[int] = Counter()

    def slow_report(self, outcomes):
        if threading.current_thread().name == "steward":
            time.sleep(0.03)
        return report(self, outcomes)

    def handle(job):
        runs[job.input_data["n"]] += 1
        if job.input_data["n"] % 10 == 9:
            time.sleep(0.02)

    monkeypatch.setattr(Claimer, "report", slow_report)
    run_worker({"t": handle})
    for first in range(0, 300, 10):
        queue.submit_jobs([{"job_type": "t", "input_data": {"n": first + n}} for n in range(10)])
        until(lambda wanted=first + 10: _completed(queue) == wanted)
    assert [n for n, count in runs.items() if count > 1] == []


def test_a_job_that_runs_alone_does_not_wait_for_the_other_types_to_be_empty(queue, run_worker):
    """Its worker takes nothing more until its hands are empty, and then asks for that type first."""
    started = []
    queue.submit_jobs([{"job_type": "tick"}] * 1500)
    run_worker({"tick": lambda job: time.sleep(0.01), "alone": lambda job: started.append(job.job_id)})
    until(lambda: _completed(queue) > 50)
    for _ in range(8):
        before = _completed(queue)
        job_id = queue.submit_job("alone", max_retries=0)
        until(lambda job_id=job_id: job_id in started, every=0.001)
        assert _completed(queue) - before < 50


def test_a_turn_that_brought_nothing_is_followed_by_one_that_begins_with_the_same_type(queue):
    """Or a job that runs alone might find other types in front of it each time."""
    claimer = Claimer(queue, "w", ["a", "b", "c"], 1000, 1.0)

    def first_type():
        return next(arg for arg in claimer._turn([], 1, parks=False).args if arg in ("a", "b", "c"))

    assert [first_type() for _ in range(4)] == ["a", "b", "c", "a"]
    claimer._turn([], 0, parks=False)  # a report asks for no type
    claimer.ask_again()
    assert [first_type() for _ in range(3)] == ["a", "b", "c"]
    claimer.close()
