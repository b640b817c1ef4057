"""lua/read/handed.lua, and the number that an attempt gets when its job is handed over."""

from __future__ import annotations

import pytest

from faciliter_jobs import keys as key_names
from faciliter_jobs.job import JobStatus
from faciliter_jobs.record import begun_from_reply
from faciliter_jobs.scripts import Ending, Outcome
from tests.support.contract import IN_INBOX, PICKED_UP, PROCESSING, WORKER

STALE = Ending("stale")


def _begun(stage, max_retries=3):
    return begun_from_reply(stage.shown(), WORKER, max_retries)


def test_it_shows_what_blmove_has_brought(stage):
    job_id = stage.job_in(PICKED_UP)
    now, shown, flat = stage.shown()
    assert (now, shown) == (stage.clock.now_ms, job_id.encode())
    assert dict(zip(flat[::2], flat[1::2])) == stage.client.hgetall(key_names.job(stage.tag, job_id))


@pytest.mark.parametrize("state", [None, IN_INBOX])
def test_it_shows_nothing_when_nothing_has_been_moved(stage, state):
    if state:
        stage.job_in(state)
    assert stage.shown() == []
    assert _begun(stage) is None


def test_of_several_jobs_it_shows_the_last(stage):
    stage.job_in(PROCESSING)
    handed = stage.job_in(PICKED_UP)
    assert stage.shown()[1] == handed.encode()


@pytest.mark.parametrize("company", [None, "acme"])
@pytest.mark.parametrize("attempt", [1, 2])
def test_what_is_begun_is_what_adopt_begins(stage, attempt, company):
    job_id = stage.job_in(PICKED_UP, company=company, input=b"\x01", metadata=b"\x80")
    if attempt == 2:
        (first,) = stage.adopt()
        stage.progress(job_id, 30, first.token, "on the way")
        stage.park(known=(job_id,))
        stage.fail(job_id, first.token, first.token, max_retries=3)
        stage.pick_up()
    begun = _begun(stage)
    (adopted,) = stage.adopt()
    assert begun == adopted
    assert begun.job().attempt == attempt and begun.job().status is JobStatus.PROCESSING
    assert stage.complete(job_id, begun.token, begun.token).accepted


@pytest.mark.parametrize(
    ("fields", "max_retries"),
    [({"max_retries": 0}, 3), ({}, 0), ({"ttl_ms": 4_000}, 3)],
    ids=["it must not run twice", "nor may this worker's jobs", "it is about to expire"],
)
def test_whether_it_is_begun_is_for_adopt_to_say_when(stage, fields, max_retries):
    stage.job_in(PICKED_UP, **fields)
    assert _begun(stage, max_retries=max_retries) is None
    assert len(stage.adopt()) == 1


def test_a_job_with_retries_of_its_own_is_begun_by_a_worker_that_gives_none(stage):
    stage.job_in(PICKED_UP, max_retries=1)
    assert _begun(stage, max_retries=0) is not None


@pytest.mark.parametrize(
    "damage",
    [
        ("HDEL", "seq"), ("HDEL", "attempt"), ("HDEL", "ttl"), ("HDEL", "status"), ("HDEL", "worker"),
        ("HSET", "at", "soon"), ("HSET", "status", "processing"), ("HSET", "worker", "w2"),
    ],
)  # fmt: skip
def test_an_odd_record_is_not_begun(stage, damage):
    job_id = stage.job_in(PICKED_UP)
    command, field, *value = damage
    stage.client.execute_command(command, key_names.job(stage.tag, job_id), field, *value)
    stage.check = False
    assert _begun(stage) is None


def test_nor_is_a_key_of_another_type(stage):
    job_id = stage.job_in(PICKED_UP)
    stage.client.delete(key_names.job(stage.tag, job_id))
    stage.client.set(key_names.job(stage.tag, job_id), "x")
    stage.check = False
    assert _begun(stage) is None


# --- the number of the attempt --------------------------------------------------------------------


@pytest.mark.parametrize("state", [IN_INBOX, PICKED_UP])
def test_a_handed_over_job_is_shown_as_one_that_has_not_been_tried(stage, state):
    job_id = stage.job_in(state)
    assert stage.job(job_id).attempt == 0
    stage.cancel(job_id)
    assert stage.job(job_id).attempt == 0


@pytest.mark.parametrize("script", ["complete", "fail", "progress", "turn", "heartbeat"])
def test_before_adopt_has_begun_it_its_token_is_refused(stage, script):
    job_id = stage.job_in(PICKED_UP)
    _is_refused(stage, script, job_id, _begun(stage).token)
    assert len(stage.adopt()) == 1


@pytest.mark.parametrize("script", ["complete", "fail", "progress", "turn", "heartbeat"])
@pytest.mark.parametrize(
    "other", ["another worker claims it", "it is handed to another", "it is revived", "it waits"]
)
def test_an_attempt_that_never_began_has_a_number_that_no_other_gets(stage, other, script):
    """A worker that began it and was too late with `adopt` must not end another's attempt."""
    job_id = stage.job_in(PICKED_UP)
    late = _begun(stage)
    if other == "it is revived":
        stage.cancel(job_id)
        stage.retry(job_id)
        (current,) = stage.claim(worker="w2")
    else:
        stage.clock.advance(2)
        if other == "it is handed to another":
            stage.park("w2")
            stage.recover()
            (current,) = stage.adopt("w2")
        else:
            stage.recover()
            if other != "it waits":
                (current,) = stage.claim(worker="w2")
    assert stage.job(job_id).attempt == (other != "it waits")
    _is_refused(stage, script, job_id, late.token)
    assert stage.adopt() == []
    if other == "it waits":
        (current,) = stage.claim(worker="w2")
    assert current.token != late.token
    assert stage.complete(job_id, current.token, current.token).accepted


def _is_refused(stage, script, job_id, token):
    if script == "complete":
        assert stage.complete(job_id, token, token) is STALE
    elif script == "fail":
        assert stage.fail(job_id, token, token, max_retries=3) is STALE
    elif script == "progress":
        assert stage.progress(job_id, 50, token) is STALE
    elif script == "turn":
        assert stage.turn([Outcome(job_id, token, "completed", b"\xc0")]).endings == [STALE]
    else:
        assert stage.heartbeat(held=((job_id, token),)) == [job_id]
