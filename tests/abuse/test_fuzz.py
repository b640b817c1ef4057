"""Random records and random arguments, through the real scripts: nothing but typed errors, no error after
a write, no key outside the queue's own. `make fuzz` tries many more."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from faciliter_jobs import codec
from faciliter_jobs.errors import JobQueueError, UndecodableError
from faciliter_jobs.record import job_from_fields, listed_job, unreadable_fields
from faciliter_jobs.scripts import Call
from faciliter_jobs.scripts.compose import script_names
from tests.abuse.test_damaged_records import PLAIN_FIELDS
from tests.support.contract import IN_LANE, PROCESSING, SCHEDULED, Stage

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples * FACTOR,
        deadline=None,
        derandomize=FACTOR == 1,
        phases=[Phase.explicit, Phase.generate] if FACTOR == 1 else list(Phase),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


_TIMES = st.datetimes().map(lambda time: time.replace(fold=0))  # which of two same hours isn't kept
_PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | _TIMES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)


@_settings(300)
@given(_PAYLOADS)
def test_what_is_packed_is_read_back_the_same(value):
    try:
        packed = codec.pack(value, "value", 10_000)
    except JobQueueError:
        return
    assert repr(codec.unpack(packed)) == repr(value)


@_settings(500)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_a_typed_error(data):
    try:
        codec.unpack(data)
    except UndecodableError:
        return


NAMES = [*PLAIN_FIELDS, b"in", b"in1", b"metadata", b"result", b"error", b"key", b"id"]
FIELDS = st.dictionaries(
    st.sampled_from(NAMES),
    st.binary(max_size=20)
    | st.integers().map(lambda n: b"%d" % n)
    | st.sampled_from([b"pending", b"processing"]),
    max_size=8,
)


@_settings(500)
@given(FIELDS)
def test_any_record_is_read_or_refused_by_a_typed_error(fields):
    unreadable_fields({b"type": b"t", **fields})
    listed_job("id", fields)
    try:
        job_from_fields("id", fields)
    except UndecodableError:
        return


def _begin(stage: Stage) -> None:
    for key in stage.client.scan_iter(match=stage.tag + "*", count=1000):
        stage.client.delete(key)
    stage.clock.now_ms = stage.clock.START_MS
    stage.clock.advance(0)
    stage.check = False


@_settings(40)
@given(st.lists(st.tuples(st.sampled_from([IN_LANE, PROCESSING, SCHEDULED]), FIELDS), min_size=1, max_size=4))
def test_no_record_ends_a_script_half_way(stage, planted):
    """LESSONS 41: claims, recovery, promotion and cleanup go on past all of them."""
    _begin(stage)
    ids = []
    for state, fields in sorted(planted, key=lambda pair: pair[0] != PROCESSING):
        if state == PROCESSING:
            ids.append(stage.submit(job_type="p"))
            stage.claim(1, types=("p",))
        else:
            ids.append(stage.submit(delay_ms=60_000 if state == SCHEDULED else None))
        if fields:
            stage.client.hset(f"{stage.tag}job:{ids[-1]}", mapping=fields)
    healthy = stage.submit()
    for seconds in (0, 61, 4000):
        stage.clock.advance(seconds)
        claimed = stage.park("w2", types=(), want=20, tend_limit=100).jobs
        stage.heartbeat("w2", held=tuple((c.job_id, c.token) for c in claimed))
        stage.leave("w2")
    stage.queue.list_jobs()
    stage.queue.cleanup_old_jobs()
    assert stage.queue.get_job(healthy) is not None
    assert [str(p) for p in stage.queue.doctor(repair=True) if not p.mended] == []


# The hottest ones check how many values they get, and not each: `validate.py` has, before packing them.
BELIEVES_ITS_CLIENT = {"submit", "submit_one"}
ARGUMENTS = st.lists(
    st.sampled_from(
        [b"", b"0", b"1", b"2", b"-1", b"w1", b"t", b"job-1", b"1.1", b"completed", b"nan", b"inf", b"1e308"]
    )
    | st.binary(max_size=8),
    max_size=12,
)


@_settings(60)
@given(st.sampled_from(script_names()), ARGUMENTS)
def test_random_arguments_touch_no_key_outside_and_leave_nothing_half_done(stage, script, arguments):
    _begin(stage)
    stage.submit()
    stage.claim_one()
    stage.submit()
    before, others = stage.snapshot(), _others(stage)
    try:
        stage.queue.transport.send(Call(script, stage.tag, arguments, lambda reply: reply, False))
    except JobQueueError:
        if script not in BELIEVES_ITS_CLIENT:
            assert _sound(stage.snapshot()) == _sound(before), "an error after a write"
    assert _others(stage) == others


def _others(stage: Stage) -> set[bytes]:
    return {key for key in stage.client.scan_iter(count=10_000) if not key.startswith(stage.tag.encode())}


def _sound(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {name: content for name, content in snapshot.items() if name != "seq"}
