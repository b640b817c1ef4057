"""lua/watch.lua and lua/lib/notice.lua: the ends of jobs are announced while somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from faciliter_jobs import RedisJobQueue, keys, scripts
from faciliter_jobs.job import JobStatus
from faciliter_jobs.scripts import Outcome
from tests.support.contract import LEASE_MS, MISSING, STATES, TTL_MS, Stage

KEEP_MS = 60_000


def watch(stage: Stage, *job_ids: str, keep_ms: int = KEEP_MS, company: str = "") -> list[JobStatus | None]:
    return stage.run(scripts.watch(stage.tag, keep_ms=keep_ms, company=company, job_ids=job_ids))


class Ear:
    """Hears what is said on every job's channel."""

    def __init__(self, stage: Stage) -> None:
        self._tag = stage.tag
        self._pubsub = stage.client.pubsub()
        self._pubsub.psubscribe(keys.done(stage.tag, "*"))
        assert self._pubsub.get_message(timeout=5)["type"] == "psubscribe"

    def heard(self) -> list[tuple[str, str]]:
        """What was said since the last time: a server delivers before it answers the script's caller."""
        found = []
        while message := self._pubsub.get_message(timeout=0.05):
            start = len(keys.done(self._tag, ""))
            found.append((message["channel"].decode()[start:], message["data"].decode()))
        return found

    def close(self) -> None:
        self._pubsub.close()


@pytest.fixture
def ear(stage: Stage) -> Iterator[Ear]:
    made = Ear(stage)
    yield made
    made.close()


@pytest.mark.parametrize("state", STATES)
def test_it_says_how_a_job_stands(either_stage, state):
    stage = either_stage
    job_id = stage.job_in(state)
    expected = None if state == MISSING else stage.job(job_id).status
    assert watch(stage, job_id, "nobody", job_id) == [expected, None, expected]


def test_the_end_of_a_job_whose_record_is_damaged_is_announced(stage, ear):
    stage.check = False
    job_id = stage.submit()
    watch(stage, job_id)
    stage.client.hset(stage.tag + "job:" + job_id, "ttl", "abc")
    assert stage.claim(1) == []
    assert ear.heard() == [(job_id, "failed")]
    stage.claim(1)
    assert ear.heard() == []


def test_of_no_job_it_says_nothing(stage):
    assert watch(stage) == []


def test_another_company_s_job_is_as_one_that_does_not_exist(stage):
    own, other, nobody_s = stage.submit(company="A"), stage.submit(company="B"), stage.submit(company=None)
    assert watch(stage, own, other, nobody_s, company="A") == [JobStatus.PENDING, None, None]


def test_something_else_where_a_record_should_be_counts_as_no_job(stage):
    """LESSONS 41."""
    stage.check = False
    stage.client.set(keys.job(stage.tag, "odd"), "text")
    job_id = stage.submit()
    assert watch(stage, "odd", job_id) == [None, JobStatus.PENDING]


ENDS: dict[str, tuple[Callable[[Stage], Any], str]] = {
    "complete": (lambda s: s.complete(s.claim_one().job_id), "completed"),
    "complete from outside": (lambda s: s.complete(s.queue.list_jobs()[0].job_id), "completed"),
    "fail": (lambda s: s.fail(s.claim_one().job_id), "failed"),
    "cancel": (lambda s: s.cancel(s.queue.list_jobs()[0].job_id), "cancelled"),
    "turn": (
        lambda s: s.turn([Outcome((c := s.claim_one()).job_id, c.token, "completed", b"\xc0")]),
        "completed",
    ),
    "turn that fails": (
        lambda s: s.turn([Outcome((c := s.claim_one()).job_id, c.token, "failed", "x", "", 0, -1)]),
        "failed",
    ),
    "cleanup": (
        lambda s: (s.clock.advance(TTL_MS / 1000 + 61), s.cleanup()),
        "cancelled",
    ),
    "a lost worker": (
        lambda s: (s.claim_one(), s.clock.advance(LEASE_MS / 1000 + 1), s.recover()),
        "failed",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_while_somebody_waits_each_end_is_announced_once_and_else_never(stage, ear, name):
    end, status = ENDS[name]
    stage.submit(max_retries=0)
    end(stage)
    assert ear.heard() == []
    job_id = stage.submit(max_retries=0)
    watch(stage, job_id)
    end(stage)
    assert ear.heard() == [(job_id, status)]


def test_a_retry_is_not_an_end(stage, ear):
    job_id = stage.submit(max_retries=1)
    watch(stage, job_id)
    stage.fail(stage.claim_one().job_id, op="one", max_retries=1)
    assert ear.heard() == []
    stage.fail(stage.claim_one().job_id, op="two", max_retries=1)
    assert ear.heard() == [(job_id, "failed")]


def test_what_is_refused_or_sent_again_is_not_announced(stage, ear):
    job_id = stage.submit()
    watch(stage, job_id)
    for _ in range(2):
        stage.complete(job_id)
    stage.cancel(job_id)
    assert ear.heard() == [(job_id, "completed")]


def test_many_ends_in_one_turn_are_each_announced(stage, ear):
    ids = stage.submit_many(50)
    watch(stage, ids[0])
    stage.turn([Outcome(c.job_id, c.token, "completed", b"\xc0") for c in stage.claim(50)])
    assert sorted(ear.heard()) == sorted((job_id, "completed") for job_id in ids)


def test_ends_are_announced_for_as_long_as_it_said(stage, ear):
    watch(stage, keep_ms=KEEP_MS)
    key = stage.tag + "waited"
    assert 0 < stage.client.pttl(key) <= KEEP_MS
    watch(stage, keep_ms=2 * KEEP_MS)
    assert KEEP_MS < stage.client.pttl(key) <= 2 * KEEP_MS
    stage.client.delete(key)  # as when its time is over
    stage.complete(stage.submit())
    assert ear.heard() == []


def test_a_server_that_forbids_channels_still_ends_jobs(own_server):
    """A PUBLISH that is refused must not stop a transition in the middle."""
    client = own_server.client()
    client.execute_command(
        "ACL", "SETUSER", "quiet", "on", ">secret", "allkeys", "allcommands", "resetchannels"
    )
    with RedisJobQueue(replace(own_server.config, username="quiet", password="secret")) as queue:
        job_id = queue.submit_job("t")
        queue.transport.run(scripts.watch(queue.tag, keep_ms=KEEP_MS, company="", job_ids=[job_id]))
        assert queue.complete_job(job_id)
        assert queue.doctor() == []


def test_it_goes_on_at_the_servers_memory_limit(own_server):
    with RedisJobQueue(own_server.config) as queue:
        job_id = queue.submit_job("t")
        own_server.client().config_set("maxmemory", 1)
        call = scripts.watch(queue.tag, keep_ms=KEEP_MS, company="", job_ids=[job_id])
        assert queue.transport.run(call) == [JobStatus.PENDING]
        own_server.client().config_set("maxmemory", 0)
