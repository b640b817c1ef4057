"""Any damage whatever, to any key of a populated queue: the doctor mends it all, and every job whose
record is sound still ends once."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from faciliter_jobs import codec
from tests.abuse.conftest import stage
from tests.queue.test_doctor import run_all
from tests.support.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_INBOX,
    IN_LANE,
    PROCESSING,
    SCHEDULED,
    Stage,
)

__all__ = ["stage"]

STATES = (IN_INBOX, PROCESSING, SCHEDULED, COMPLETED, FAILED, CANCELLED, IN_LANE, IN_LANE)
RESULT = codec.pack({"kept": True}, "result", 99)

_NUMBERS = st.sampled_from(
    ["0", "1", "-1", "7", "1e5", "99999999999999", "10000000000001", "40000000000002", "inf"]
)
_WORDS = st.sampled_from(
    ["", "x", "w1", "w2", "acme", "ann", "t", "pending", "processing", "completed", "\x93\x01"]
)
_VALUES = _NUMBERS | _WORDS
_FIELDS = st.sampled_from(
    [
        "status",
        "type",
        "seq",
        "at",
        "ttl",
        "co",
        "u",
        "away",
        "worker",
        "attempt",
        "updated_at",
        "due_at",
        "retries",
        "max_retries",
        "losses",
        "returned",
        "in",
        "metadata",
        "result",
        "progress",
        "priority",
    ]
)
_PICK = st.integers(0, 10_000)
DAMAGES = st.lists(
    st.one_of(
        st.tuples(st.just("delete"), _PICK),
        st.tuples(
            st.just("replace"), _PICK, st.sampled_from(["string", "list", "set", "zset", "hash"]), _VALUES
        ),
        st.tuples(st.just("field"), _PICK, _FIELDS, _VALUES | st.none()),
        st.tuples(st.just("member"), _PICK, _PICK, _NUMBERS, st.booleans()),
        st.tuples(st.just("move"), _PICK, _PICK),
    ),
    min_size=1,
    max_size=8,
)


def _populate(stage: Stage) -> list[str]:
    """Jobs in each state, some of them of other companies, users and types."""
    ids = []
    for state in STATES:
        ids.append(stage.job_in(state))
        if state == COMPLETED:
            stage.client.hset(f"{stage.tag}job:{ids[-1]}", "result", RESULT)
    stage.check = False
    ids.append(stage.submit(company="beta", user="ann"))
    ids.append(stage.submit(company=None, user=None, job_type="u"))
    stage.heartbeat(alive_ms=60_000)
    return ids


class _Vandal:
    def __init__(self, stage: Stage, ids: list[str]) -> None:
        self.client = stage.client
        self.tag = stage.tag
        self.ids = ids
        self.harmed: set[str] = set()  # jobs whose record was touched

    def _key(self, pick: int) -> str:
        names = [k.decode() for k in self.client.scan_iter(match=self.tag + "*", count=1000)]
        names = sorted(n for n in names if not n.endswith(("test-clock", "meta")))
        key = names[pick % len(names)]
        if key.startswith(self.tag + "job:"):
            self.harmed.add(key[len(self.tag) + 4 :])
        return key

    def do(self, damage: tuple[Any, ...]) -> None:
        with contextlib.suppress(redis.ResponseError):  # such as a member for a hash
            getattr(self, damage[0])(*damage[1:])

    def delete(self, pick: int) -> None:
        self.client.delete(self._key(pick))

    def replace(self, pick: int, kind: str, value: str) -> None:
        key = self._key(pick)
        self.client.delete(key)
        command = {
            "string": ("SET",),
            "list": ("RPUSH",),
            "set": ("SADD",),
            "zset": ("ZADD",),
            "hash": ("HSET",),
        }
        between = {"zset": ["1"], "hash": ["status"]}.get(kind, [])
        self.client.execute_command(*command[kind], key, *between, value)

    def field(self, pick: int, name: str, value: str | None) -> None:
        job_id = self.ids[pick % len(self.ids)]
        self.harmed.add(job_id)
        key = f"{self.tag}job:{job_id}"
        if value is None:
            self.client.hdel(key, name)
        else:
            self.client.hset(key, name, value)

    def member(self, pick: int, which: int, score: str, adds: bool) -> None:
        """An id, or one that is nobody's, added to or dropped from a structure."""
        key = self._key(pick)
        job_id = [*self.ids, "ghost"][which % (len(self.ids) + 1)]
        kind = self.client.type(key)
        if kind == b"zset":
            self.client.execute_command(*(("ZADD", key, score, job_id) if adds else ("ZREM", key, job_id)))
        elif kind == b"list":
            self.client.execute_command(*(("RPUSH", key, job_id) if adds else ("LREM", key, 0, job_id)))
        elif kind == b"set":
            self.client.execute_command("SADD" if adds else "SREM", key, job_id)

    def move(self, pick: int, other: int) -> None:
        self.client.rename(self._key(pick), self._key(other))


@settings(
    max_examples=25 * int(os.environ.get("FUZZ_FACTOR", "1")),
    deadline=None,
    derandomize="FUZZ_FACTOR" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(DAMAGES)
def test_whatever_was_damaged_is_mended_and_each_sound_job_ends_once(stage, damages):
    """LESSONS 41."""
    for key in stage.client.scan_iter(match=stage.tag + "*", count=1000):
        stage.client.delete(key)
    stage.clock.now_ms = stage.clock.START_MS
    stage.clock.advance(0)
    stage.check = True
    ids = _populate(stage)
    before = {job_id: stage.job(job_id) for job_id in ids}
    vandal = _Vandal(stage, ids)
    for damage in damages:
        vandal.do(damage)

    mended = stage.queue.doctor(repair=True)
    assert [str(problem) for problem in mended if not problem.mended] == []
    assert stage.queue.doctor() == []

    runs = run_all(stage)
    for job_id in set(ids) - vandal.harmed:
        job, was = stage.job(job_id), before[job_id]
        assert job.status.is_terminal, job
        assert runs.get(job_id, 0) <= 1
        if was.status.is_terminal:
            assert (job.status, job.result, job.error) == (was.status, was.result, was.error)
            assert job_id not in runs
    # A payload that was damaged in a worker's hands was the worker's to judge.
    assert {problem.kind for problem in stage.queue.doctor()} <= {"field"}
    assert all(problem.mended for problem in stage.queue.doctor(repair=True))
