"""What a worker says of itself: by `turned_ago` a supervisor kills one that hangs, so it must be right."""

from __future__ import annotations

import threading
import time

import pytest

from faciliter_jobs import JobWorker
from faciliter_jobs.worker.claimer import Claimer
from tests.support.wait import until

ALL = [("thread", 1), ("thread", 2), ("asyncio", 2)]


def _longest_stand(worker, seconds):
    """The largest `turned_ago` in so many seconds."""
    until_then, longest = time.monotonic() + seconds, 0.0
    while time.monotonic() < until_then:
        longest = max(longest, worker.health().turned_ago)
        time.sleep(0.005)
    return longest


@pytest.mark.parametrize("where", ALL)
def test_an_idle_worker_turns_however_long_its_poll_interval(queue, run_worker, where):
    worker = run_worker({"t": lambda job: {}}, poll_interval=60, executor=where[0], concurrency=where[1])
    until(lambda: queue.stats().parked == 1)
    assert _longest_stand(worker, 1.5) < 1


def test_a_worker_whose_slots_are_all_busy_turns_however_long_its_poll_interval(queue, run_worker):
    go_on = threading.Event()
    worker = run_worker({"t": lambda job: go_on.wait(20)}, poll_interval=60, concurrency=2)
    queue.submit_jobs([{"job_type": "t"}] * 2)
    until(lambda: worker.health().active == 2)
    assert _longest_stand(worker, 1.5) < 1
    go_on.set()


def test_a_long_job_is_no_stand_also_while_its_end_is_told(queue, run_worker, monkeypatch):
    """A call that takes long after it must not seem to have taken as long as both."""
    send, stalls = Claimer.send_turn, threading.Event()

    def slowly(claimer, turn):
        stalls.set()
        time.sleep(0.5)
        send(claimer, turn)

    worker = run_worker({"t": lambda job: time.sleep(1.5)})
    until(lambda: queue.stats().parked == 1)
    monkeypatch.setattr(Claimer, "send_turn", slowly)
    queue.submit_job("t")
    assert _longest_stand(worker, 2.5) < 1
    assert stalls.is_set()


@pytest.mark.parametrize("where", ALL)
def test_the_time_of_on_startup_is_no_stand(queue, where):
    worker = JobWorker(queue, executor=where[0], concurrency=where[1], poll_interval=0.1)
    worker.register_function_handler("t", lambda job: {})
    worker.on_startup(lambda: time.sleep(1.5))
    thread = threading.Thread(target=worker.start)
    thread.start()
    assert _longest_stand(worker, 2) < 1
    worker.stop()
    thread.join(10)
