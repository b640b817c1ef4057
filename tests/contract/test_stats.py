"""lua/read/stats.lua: how many jobs are where, and who works."""

from __future__ import annotations

import pytest

from faciliter_jobs import JobStatus
from tests.support.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_INBOX,
    IN_LANE,
    MISSING,
    PICKED_UP,
    PROCESSING,
    SCHEDULED,
    STATES,
)

STATUS_OF = {PROCESSING: "processing", COMPLETED: "completed", FAILED: "failed", CANCELLED: "cancelled"}


@pytest.mark.parametrize("state", STATES)
def test_a_job_is_counted_once_and_nothing_changes(stage, state):
    """LESSONS 35."""
    stage.job_in(state)
    before = stage.snapshot()
    stats = stage.queue.stats()
    expected = dict.fromkeys(JobStatus, 0)
    if state != MISSING:
        expected[JobStatus(STATUS_OF.get(state, "pending"))] = 1
    assert stats.counts == expected
    assert stats.scheduled == int(state == SCHEDULED)
    assert stats.leased == int(state in (IN_INBOX, PICKED_UP, PROCESSING))
    assert stats.waiting == ({"t": 1} if state == IN_LANE else {})
    assert stage.snapshot() == before


def test_the_time_is_the_server_s(stage):
    assert stage.queue.stats().now_ms == stage.clock.now_ms


def test_waiting_counts_companies_by_type(stage):
    for job_type, company in (("a", "A"), ("a", "A"), ("a", "B"), ("b", "A"), ("c", None)):
        stage.submit(job_type=job_type, company=company)
    assert stage.queue.stats().waiting == {"a": 2, "b": 1, "c": 1}


def test_only_live_workers_and_those_that_are_parked_now(stage):
    stage.heartbeat("short", alive_ms=1_000, info='{"types": ["a"]}')
    stage.heartbeat("long", alive_ms=9_000, info='{"types": ["b"]}')
    stage.park("short", park_ms=1_000)
    stage.park("long", park_ms=9_000)
    assert stage.queue.stats().parked == 2
    stage.clock.advance(1.5)
    stats = stage.queue.stats()
    assert ([worker.name for worker in stats.workers], stats.alive, stats.parked) == (["long"], 1, 1)


@pytest.mark.parametrize(
    ("served", "unserved"),
    [(["a"], ["b"]), (["a", "b"], []), ([], []), (["x"], ["a", "b"]), (None, ["a", "b"])],
)
def test_types_that_nobody_serves_are_named(stage, served, unserved):
    stage.submit(job_type="a")
    stage.submit(job_type="b")
    if served is not None:
        stage.heartbeat(info='{"types": [' + ", ".join(f'"{t}"' for t in served) + "]}")
    assert stage.queue.stats().unserved == unserved


@pytest.mark.parametrize("info", ["", "not json", "[1", '{"types'])
def test_what_a_worker_says_of_itself_may_be_damaged(stage, info):
    """LESSONS 41."""
    stage.heartbeat(info=info)
    assert [worker.info for worker in stage.queue.stats().workers] == [{}]


@pytest.mark.parametrize("info", ["null", '{"types": null}'])
def test_or_something_else_than_an_object(stage, info):
    stage.submit()
    stage.heartbeat(info=info)
    assert stage.queue.stats().unserved == ["t"]


def test_never_more_than_the_limit(stage):
    for n in range(5):
        stage.submit(job_type=f"type {n}")
        stage.heartbeat(f"w{n}")
    stats = stage.queue.stats(limit=3)
    assert (len(stats.waiting), len(stats.workers), stats.alive) == (3, 3, 5)


def test_of_some_workers_alone_nobody_can_say_what_none_serves(stage):
    stage.submit(job_type="rare")
    for n in range(4):
        stage.heartbeat(f"w{n}", alive_ms=30_000 + n, info='{"types": ["common"]}')
    assert stage.queue.stats(limit=4).unserved == ["rare"]
    stage.heartbeat("last", alive_ms=40_000, info='{"types": ["rare"]}')
    cut = stage.queue.stats(limit=4)
    assert (cut.unserved, len(cut.workers), cut.alive) == ([], 4, 5)
    assert stage.queue.stats(limit=5).unserved == []
