"""A job that is handed over is begun before `adopt` has said so (decision 20)."""

from __future__ import annotations

import threading
import time

import pytest

from faciliter_jobs import JobStatus, scripts
from faciliter_jobs.errors import JobQueueError, QueueUnavailableError
from faciliter_jobs.scripts import Outcome
from faciliter_jobs.transport import Pending
from faciliter_jobs.worker.adoption import Adoption
from faciliter_jobs.worker.claimer import Claimer
from faciliter_jobs.worker.heartbeat import Heartbeat
from faciliter_jobs.worker.inbox import Handed, Inbox, clock
from tests.support.server import client_of
from tests.support.wait import until

LEASE_MS = 30_000


@pytest.fixture
def replies(monkeypatch):
    """Whether replies to `adopt` are read yet that were not waited for when it was sent."""
    let_through = threading.Event()
    wait = Pending.wait

    def late(pending):
        if pending._call.script == "adopt":
            assert let_through.wait(10)
        wait(pending)

    monkeypatch.setattr(Pending, "wait", late)
    yield let_through
    let_through.set()


@pytest.fixture(
    params=[{}, {"concurrency": 2}, {"executor": "asyncio", "concurrency": 2}],
    ids=["loop", "threads", "asyncio"],
)
def kind(request):
    """Of workers whose handlers run in their own process."""
    return {"poll_interval": 30, **request.param}


def _parked(queue):
    until(lambda: queue.stats().parked == 1)


def _called(queue, run_worker, kind):
    """A job whose handler an idle worker has called."""
    called = threading.Event()
    run_worker({"t": lambda job: called.set()}, **kind)
    _parked(queue)
    job_id = queue.submit_job("t")
    assert called.wait(5)
    return job_id


# --- the worker ------------------------------------------------------------------------------------


def test_the_handler_is_called_before_the_reply_is_there(queue, run_worker, looks, replies, kind):
    job_id = _called(queue, run_worker, kind)
    until(lambda: queue.get_job(job_id).status is JobStatus.PROCESSING)  # the server has begun it meanwhile
    replies.set()
    assert looks.finished(job_id).attempt == 1


@pytest.mark.parametrize("whose", ["the job's", "the worker's"])
def test_a_job_that_must_not_run_twice_waits_for_it(queue, run_worker, looks, replies, kind, whose):
    run_worker({"t": lambda job: {"n": job.attempt}}, **kind, max_retries=0 if "worker" in whose else 3)
    _parked(queue)
    job_id = queue.submit_job("t", max_retries=0 if "job" in whose else None)
    assert looks.finished(job_id).result == {"n": 1}  # no reply was left to be read later


def test_what_a_handler_says_comes_after_it(queue, run_worker, looks, kind):
    """Progress carries the attempt's token, which the server doesn't take before `adopt`."""

    def handle(job):
        queue.update_job_progress(job.job_id, 40, "first thing")
        return {"seen": queue.get_job(job.job_id).status.value}

    run_worker({"t": handle}, **kind)
    for _ in range(100):
        _parked(queue)
        job = looks.finished(queue.submit_job("t"))
        assert (job.status, job.error, job.result) == (JobStatus.COMPLETED, None, {"seen": "processing"})


def test_a_job_that_is_cancelled_in_that_moment_is_told_so_and_stays_cancelled(
    queue, run_worker, replies, kind
):
    told = threading.Event()
    called = threading.Event()

    def handle(job):
        called.set()
        until(lambda: job.cancelled, timeout=10)
        told.set()

    worker = run_worker({"t": handle}, **kind)
    _parked(queue)
    send, cancelled = Pending.send, []

    def cancel_first(pending):
        if pending._call.script == "adopt":
            cancelled.append(queue.cancel_job(job_ids[0]))
        send(pending)

    job_ids = ["the-one"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pending, "send", cancel_first)
        queue.submit_job("t", job_id=job_ids[0])
        assert called.wait(5)
    replies.set()
    assert told.wait(5)  # by the heartbeat's look, within a quarter of a second
    _parked(queue)
    job = queue.get_job(job_ids[0])
    assert (cancelled, job.status, job.attempt) == ([True], JobStatus.CANCELLED, 0)
    assert worker.is_running() and queue.doctor() == []


def test_a_handler_that_ends_at_once_is_not_reported_before_it(queue, run_worker, looks, replies, kind):
    job_id = _called(queue, run_worker, kind)
    time.sleep(0.3)
    assert queue.get_job(job_id).status is JobStatus.PROCESSING
    replies.set()
    assert looks.finished(job_id).status is JobStatus.COMPLETED


def test_a_reply_that_is_lost_is_asked_for_again(queue, run_worker, looks, monkeypatch, kind):
    wait, lost = Pending.wait, []

    def lose_one(pending):
        wait(pending)
        if pending._call.script == "adopt" and not lost:
            lost.append(pending)
            raise QueueUnavailableError("lost")

    monkeypatch.setattr(Pending, "wait", lose_one)
    ran = []
    run_worker({"t": lambda job: ran.append(job.attempt)}, **kind)
    _parked(queue)
    job = looks.finished(queue.submit_job("t"))
    assert (job.status, ran, len(lost)) == (JobStatus.COMPLETED, [1], 1)


def test_it_is_begun_beside_others_that_go_on(queue, run_worker, looks, replies):
    """What the worker holds already isn't adopted once more."""
    calls, go_on = [], threading.Event()

    def handle(job):
        calls.append((job.job_id, job.attempt))
        if job.job_id == "long":
            assert go_on.wait(10)

    run_worker({"t": handle}, poll_interval=30, concurrency=3)
    replies.set()
    for job_id in ("long", "first", "second"):
        _parked(queue)
        queue.submit_job("t", job_id=job_id)
        until(lambda: len(calls) and calls[-1] == (job_id, 1))  # noqa: B023
    go_on.set()
    assert looks.finished("long").status is JobStatus.COMPLETED
    assert calls == [("long", 1), ("first", 1), ("second", 1)] and queue.doctor() == []


def test_what_a_park_has_found_is_not_begun_again_when_the_blmove_brings_it(
    queue, run_worker, monkeypatch, kind
):
    """The reply of a BLMOVE that went on meanwhile is read while the job runs."""
    read_it, go_on, has_reply, calls = threading.Event(), threading.Event(), Inbox._has_reply, []

    def late(inbox, timeout):
        return read_it.wait(timeout) and has_reply(inbox, timeout)

    def handle(job):
        calls.append(job.attempt)
        assert go_on.wait(10)

    monkeypatch.setattr(Inbox, "_has_reply", late)
    run_worker({"t": handle}, **{**kind, "poll_interval": 0.3})
    _parked(queue)
    job_id = queue.submit_job("t")
    until(lambda: calls)
    read_it.set()
    time.sleep(1)
    go_on.set()
    until(lambda: queue.get_job(job_id).status is JobStatus.COMPLETED)
    assert calls == [1] and queue.doctor() == []


def test_children_begin_nothing_that_the_server_has_not(queue, run_worker, looks, replies):
    """What a handler in another process says can't wait until the reply is there."""
    run_worker({"t": lambda job: {"n": job.attempt}}, poll_interval=30, executor="process")
    _parked(queue)
    assert looks.finished(queue.submit_job("t")).result == {"n": 1}  # no reply was left to be read later


def test_while_the_server_is_away_the_heartbeat_does_not_ask_all_the_time(queue):
    asked = []

    def confirm():
        asked.append(time.monotonic())
        raise QueueUnavailableError("away")

    with Heartbeat(queue, "w1", ["t"], 1_000, 3, lambda token, job_id: None, confirm):
        time.sleep(1.2)
    assert 2 <= len(asked) <= 12  # every quarter of a second, and each third of the lease


# --- the adoption ----------------------------------------------------------------------------------


class Waiter:
    """The parts of a worker that wait for a job."""

    def __init__(self, queue, name="w1"):
        self.queue, self.name, self.gone, self.parked_at = queue, name, [], clock()
        on_gone = lambda token, job_id: self.gone.append((token, job_id))  # noqa: E731
        self.adoption = Adoption(queue.transport, queue.tag, name, LEASE_MS, 3, on_gone)
        self.inbox = Inbox(queue.transport, queue.tag, name, self.adoption.show, self.adoption.adopt)

    def park(self):
        self.parked_at = clock()
        call = scripts.park(
            self.queue.tag, worker=self.name, lease_ms=LEASE_MS, park_ms=60_000, want=1, tend_limit=0,
            types=["t"], known=[],
        )  # fmt: skip
        return self.queue.transport.run(call)

    def wait(self, seconds):
        return self.inbox.wait(seconds, self.parked_at)

    def handed(self):
        """A job that has been handed over to it: its id, and what its wait has brought."""
        assert self.park().jobs == []
        assert self.wait(0.01) is None  # BLMOVE waits
        job_id = self.queue.submit_job("t")
        return job_id, self.wait(5)


@pytest.fixture
def waiter(queue):
    made = Waiter(queue)
    yield made
    made.inbox.close()


def test_what_it_begins_is_confirmed(queue, waiter):
    job_id, handed = waiter.handed()
    begun = waiter.adoption.begin(handed)
    assert begun.job_id == job_id
    waiter.adoption.confirm()
    waiter.adoption.confirm()
    assert waiter.gone == [] and queue.get_job(job_id).status is JobStatus.PROCESSING


def test_what_turns_out_to_be_another_s_is_told_once(queue, waiter):
    job_id, handed = waiter.handed()
    assert queue.cancel_job(job_id)
    begun = waiter.adoption.begin(handed)
    waiter.adoption.confirm()
    waiter.adoption.confirm()
    assert waiter.gone == [(begun.token, job_id)]


def test_while_the_server_is_away_it_is_not_confirmed_and_later_it_is(queue, waiter, monkeypatch):
    job_id, handed = waiter.handed()
    waiter.adoption.begin(handed)
    with monkeypatch.context() as patch:
        patch.setattr(Pending, "wait", _away)
        patch.setattr(type(queue.transport), "run", _away)
        for _ in range(2):
            with pytest.raises(JobQueueError):
                waiter.adoption.confirm()
    waiter.adoption.confirm()
    assert waiter.gone == [] and queue.get_job(job_id).status is JobStatus.PROCESSING


def _away(*_):
    raise QueueUnavailableError("away")


def test_what_came_a_while_ago_is_not_begun(queue, waiter):
    """A worker that was paused can't know whether it still holds the job."""
    _, handed = waiter.handed()
    late = Handed(handed.job_id, handed.shown, clock() - 1.01)
    assert waiter.adoption.begin(late) is None
    assert waiter.adoption.begin(handed) is not None


@pytest.mark.parametrize("by", ["park", "turn"])
def test_what_came_before_a_pause_is_not_begun(queue, waiter, by):
    """It was paused when it had been parked and did not wait yet."""
    claimer = Claimer(queue, "w1", ["t"], LEASE_MS, 5, adoption=waiter.adoption)
    parked = claimer.park(1) if by == "park" else claimer.turn([], 1, parks=True).parked
    job_id = queue.submit_job("t")
    time.sleep(1.01)
    handed = claimer.wait(parked)
    assert (handed.job_id, waiter.adoption.begin(handed)) == (job_id, None)
    assert [claimed.job_id for claimed in claimer.adopt()] == [job_id]
    claimer.close()


# --- the inbox -------------------------------------------------------------------------------------


def test_what_has_been_found_by_other_means_is_not_shown(queue, waiter):
    """Between two waits, with BLMOVE on its way, a park may find what that brings."""
    assert waiter.park().jobs == []
    assert waiter.wait(0.01) is None
    job_id = queue.submit_job("t")
    assert [claimed.job_id for claimed in waiter.park().jobs] == [job_id]
    waiter.inbox.forestall()
    handed = waiter.wait(5)
    assert handed.job_id == job_id
    assert waiter.adoption.begin(handed) is None


@pytest.mark.parametrize("by", ["park", "adopt"])
def test_what_the_worker_has_had_is_not_begun_when_the_blmove_s_reply_is_read(queue, waiter, by):
    """It may even have ended since."""
    claimer = Claimer(queue, "w1", ["t"], LEASE_MS, 0.05, adoption=waiter.adoption)
    assert claimer.wait(claimer.park(1)) is None
    job_id = queue.submit_job("t")
    had = claimer.park(1).jobs if by == "park" else claimer.adopt()
    assert [claimed.job_id for claimed in had] == [job_id]
    claimer.report([Outcome(job_id, had[0].token, "completed", b"")])
    handed = claimer.wait(claimer.park(1))
    assert handed is not None and handed.job_id == job_id
    assert (waiter.adoption.begin(handed), claimer.adopt()) == (None, [])
    claimer.close()


def test_a_blmove_goes_on_from_one_wait_to_the_next(queue, waiter):
    calls = lambda: client_of(queue.config).info("commandstats").get("cmdstat_blmove", {"calls": 0})["calls"]  # noqa: E731
    before = calls()
    _, handed = waiter.handed()
    for _ in range(5):
        assert waiter.wait(0.01) is None
    assert handed is not None
    until(lambda: client_of(queue.config).info("clients")["blocked_clients"] >= 1)
    assert calls() - before <= 2  # the server counts them when they end


def test_it_begins_a_new_one_when_the_server_has_ended_it(queue, waiter, monkeypatch):
    monkeypatch.setattr("faciliter_jobs.worker.inbox._ASKS_FOR", 0.05)
    inbox = Inbox(queue.transport, queue.tag, "w1", waiter.adoption.show)
    waiter.park()
    assert inbox.wait(0.3, clock()) is None
    job_id = queue.submit_job("t")
    assert inbox.wait(5, clock()).job_id == job_id
    inbox.close()


def test_a_server_that_does_not_answer_is_noticed(queue, waiter, monkeypatch):
    monkeypatch.setattr("faciliter_jobs.worker.inbox._ASKS_FOR", -10.0)
    with pytest.raises(JobQueueError, match="no answer to BLMOVE"):
        waiter.wait(1)


def test_a_server_that_has_lost_the_script_is_told_it_again(queue, waiter):
    assert waiter.park().jobs == []
    assert waiter.wait(0.01) is None
    client_of(queue.config).script_flush()
    job_id = queue.submit_job("t")
    handed = waiter.wait(5)
    assert (handed.job_id, waiter.adoption.begin(handed)) == (job_id, None)
    assert queue.cancel_job(job_id)
    job_id, handed = waiter.handed()
    assert waiter.adoption.begin(handed).job_id == job_id


def test_a_heartbeat_goes_on_after_an_error_of_any_kind(queue, run_worker, caplog):
    """Without it each job that runs for longer than the lease would run twice, and nothing would say why."""
    worker = run_worker({"t": lambda job: {}}, lease=1)
    until(lambda: queue.stats().parked)
    heartbeat = worker._service._heartbeat
    beat, failed = heartbeat.beat, threading.Event()

    def fails_once():
        heartbeat.beat = beat
        failed.set()
        raise ValueError("not a reply of mine")

    heartbeat.beat = fails_once
    assert failed.wait(5)
    until(lambda: "can't renew leases: not a reply of mine" in caplog.text, 5)
    assert "ValueError" in caplog.text
    until(lambda: worker.health().connected, 5)
