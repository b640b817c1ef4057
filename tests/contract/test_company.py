"""Told of a company, complete, fail, cancel, retry, progress and read/get take another's job for none."""

from __future__ import annotations

import pytest

from faciliter_jobs import scripts
from faciliter_jobs.record import fields_of
from tests.support.clock import Clock
from tests.support.contract import STATES, Stage

CALLS = {
    "complete": {"token": "", "op": "o", "result": b"\xc0"},
    "fail": {"token": "", "op": "o", "error": "e", "traceback": "", "retry_delay_ms": 0, "max_retries": 3},
    "cancel": {"op": "o", "reason": "r"},
    "retry": {"op": "o"},
    "progress": {"token": "", "progress": 50, "message": "m", "backwards": False},
    "get_job": {"read": fields_of},
}


def _call(stage, name, job_id, company):
    return stage.run(getattr(scripts, name)(stage.tag, job_id=job_id, company=company, **CALLS[name]))


@pytest.mark.parametrize("owner", ["acme", None, "Acme", "acme "])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("state", STATES)
def test_another_company_s_job_is_answered_as_an_unknown_one_and_left_as_it_is(stage, state, name, owner):
    job_id = stage.job_in(state, company=owner)
    before = stage.snapshot()
    foreign, unknown = (_call(stage, name, job, "other") for job in (job_id, "no-such-job"))
    assert foreign == unknown
    assert foreign == ({} if name == "get_job" else scripts.Ending.MISSING)
    assert stage.snapshot() == before


@pytest.mark.parametrize("name", ["complete", "fail", "progress"])
def test_not_even_the_running_attempt_s_token_opens_it(stage, name):
    job_id = stage.submit()
    token = stage.claim_one().token
    before = stage.snapshot()
    call = getattr(scripts, name)(stage.tag, job_id=job_id, company="x", **{**CALLS[name], "token": token})
    assert stage.run(call) is scripts.Ending.MISSING
    assert stage.snapshot() == before


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("state", STATES)
def test_its_own_job_is_answered_as_without_a_company(make_queue, state, name):
    replies, snapshots = [], []
    for company in ("acme", "acme" if name == "get_job" else ""):
        queue = make_queue()
        stage = Stage(queue, Clock(queue))
        job_id = stage.job_in(state)
        replies.append(_call(stage, name, job_id, company))
        snapshots.append(stage.snapshot())
    assert replies[0] == replies[1]
    assert snapshots[0] == snapshots[1]
