"""Every script, sent twice, from every state that a job can be in, at three times, to a server that
has forgotten its scripts in between: the second sending changes nothing more."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from hashlib import sha1
from typing import Any

import pytest

from faciliter_jobs import scripts
from faciliter_jobs.scripts import Call, Ending, Outcome
from faciliter_jobs.scripts.compose import script_names
from tests.contract.test_headers import DECLARED_AS
from tests.protocol.contents import EMPTY, PUT, TAKE, unpack
from tests.support.clock import Clock
from tests.support.contract import LEASE_MS, PROCESSING, STATES, TTL_MS, WORKER, Stage

# Seconds that pass before the call: nothing is due; leases have passed and delays are over; so has the ttl.
TIMES = {"at once": 0, "when leases have passed": 61, "when its ttl has passed": TTL_MS // 1000 + 61}

# What a script is called with, by the name of the argument.
GIVEN: dict[str, Callable[[Stage, str, str], Any]] = {
    "backwards": lambda *_: False,
    "before_seq": lambda *_: None,
    "company": lambda *_: "acme",
    "count": lambda *_: 10,
    "entries": lambda stage, job_id, token: [job_id.encode()],
    "error": lambda *_: "broken",
    "family": lambda *_: "index",
    "field": lambda *_: "type",
    "finished_before_ms": lambda *_: 1_000,
    "held": lambda stage, job_id, token: [(job_id, token)],
    "alive_ms": lambda *_: 30_000,
    "info": lambda *_: "{}",
    "job": lambda stage, job_id, token: stage.new_job(job_id=job_id),
    "job_id": lambda stage, job_id, token: job_id,
    "job_ids": lambda stage, job_id, token: [job_id],
    "jobs": lambda stage, job_id, token: [stage.new_job(job_id=job_id), stage.new_job(job_id="another")],
    "keep_ms": lambda *_: 60_000,
    "known": lambda *_: [],
    "lease_ms": lambda *_: LEASE_MS,
    "limit": lambda *_: 100,
    "max_bytes": lambda *_: 1000,
    "max_retries": lambda *_: 3,
    "members": lambda stage, job_id, token: [job_id.encode(), b"ghost"],
    "message": lambda *_: "half of it",
    "name": lambda *_: b"index",
    "names": lambda *_: [b"index", b"worker:w1", b"leases"],
    "op": lambda *_: "this-call",
    "outcomes": lambda stage, job_id, token: [Outcome(job_id, token or "1.9", "completed", b"\xc0")],
    "park_ms": lambda *_: 5_000,
    "progress": lambda *_: 50,
    "read": lambda *_: len,  # what takes the reply apart
    "reason": lambda *_: "unwanted",
    "result": lambda *_: b"\xc0",
    "retry_delay_ms": lambda *_: 0,
    "sha1": lambda *_: sha1(b"t").hexdigest(),
    "start": lambda *_: 0,
    "statuses": lambda *_: ["pending", "processing", "completed", "failed", "cancelled"],
    "tend_limit": lambda *_: 100,
    "token": lambda stage, job_id, token: token,
    "traceback": lambda *_: "",
    "types": lambda *_: ["t"],
    "user": lambda *_: "ann",
    "want": lambda *_: 2,
    "why": lambda *_: "was killed",
    "worker": lambda *_: WORKER,
}


def _call(stage: Stage, script: str, job_id: str, token: str) -> Call[Any]:
    declared = getattr(scripts, DECLARED_AS.get(script, script.removeprefix("read/")))
    _, *parameters = inspect.signature(declared).parameters.values()
    needed = [p.name for p in parameters if p.name in GIVEN or p.default is p.empty]
    return declared(stage.tag, **{name: GIVEN[name](stage, job_id, token) for name in needed})


def _take(stage: Stage) -> bytes:
    """All that the queue has stored, off the server."""
    content: bytes = stage.client.eval(TAKE, 1, stage.tag)
    return content


def _put(stage: Stage, content: bytes, now_ms: int) -> None:
    stage.client.eval(PUT, 1, stage.tag, content, now_ms)


def _twice(stage: Stage, call: Call[Any], content: bytes, now_ms: int) -> None:
    replies, contents = [], [content]
    for _ in range(2):
        _put(stage, contents[-1], now_ms)
        if replies:
            stage.client.script_flush()
        replies.append(stage.run(call))
        contents.append(_take(stage))
    before, after, again = contents
    assert unpack(again) == unpack(after)
    if call.script.startswith("read/"):
        assert unpack(after) == unpack(before)
    if isinstance(replies[0], Ending):
        assert replies[1] in (replies[0], Ending.ALREADY)
        assert replies[1].accepted == replies[0].accepted


@pytest.mark.parametrize("script", script_names())
def test_sent_again_it_changes_nothing_more(stage: Stage, script: str) -> None:
    """LESSONS 1, 24."""
    for state in STATES:
        _put(stage, EMPTY, Clock.START_MS)
        job_id = stage.job_in(state)
        token = f"{stage.field(job_id, 'seq')}.1" if state == PROCESSING else ""
        content = _take(stage)
        for time, seconds in TIMES.items():
            try:
                _twice(stage, _call(stage, script, job_id, token), content, Clock.START_MS + seconds * 1000)
            except AssertionError as error:
                raise AssertionError(f"{script}, {state}, {time}: {error}") from error
