"""lua/read/list.lua: a page of jobs, newest first, with any mix of filters."""

from __future__ import annotations

from itertools import product

import pytest

from faciliter_jobs import JobStatus, scripts
from tests.support.contract import CANCELLED, COMPLETED, FAILED, IN_LANE, PLACE_OF, PROCESSING, STATES

ALL = tuple(status.value for status in JobStatus)
STATUS_OF = {PROCESSING: "processing", COMPLETED: "completed", FAILED: "failed", CANCELLED: "cancelled"}


def _list(stage, company=None, user=None, before_seq=None, limit=100, statuses=ALL):
    call = scripts.list_jobs(
        stage.tag, company=company, user=user, before_seq=before_seq, limit=limit, statuses=statuses
    )
    return [job_id for job_id, _ in stage.run(call)]


@pytest.mark.parametrize("state", STATES)
def test_a_job_is_listed_under_its_status_alone_and_nothing_changes(either_stage, state):
    """LESSONS 35: reads change nothing."""
    stage = either_stage
    job_id = stage.job_in(state)
    before = stage.snapshot()
    here = [status for status in ALL if _list(stage, statuses=(status,)) == [job_id]]
    assert here == ([] if not PLACE_OF[state] else [STATUS_OF.get(state, "pending")])
    assert _list(stage) == ([job_id] if here else [])
    assert stage.snapshot() == before


@pytest.fixture
def mixed(stage):
    """One job of each status for each company and user, in a shuffled order of statuses."""
    stage.check = False
    made = []
    states = (IN_LANE, COMPLETED, PROCESSING, CANCELLED, FAILED)
    for turn, (company, user) in enumerate(product(("A", "B", None), ("ann", "bob", None))):
        for state in states[turn % 5 :] + states[: turn % 5]:
            job_id = stage.submit(company=company, user=user, job_type=f"type {turn} {state}")
            if state == PROCESSING:
                stage.claim(1, types=(f"type {turn} {state}",))
            elif state != IN_LANE:
                {COMPLETED: stage.complete, FAILED: stage.fail, CANCELLED: stage.cancel}[state](job_id)
            made.append((job_id, company, user, STATUS_OF.get(state, "pending")))
    stage.made = made[::-1]
    assert stage.queue.doctor() == []
    return stage


@pytest.mark.parametrize("company", [None, "A", "B", "C"])
@pytest.mark.parametrize("user", [None, "ann", "bob", "eve"])
def test_any_mix_of_filters_gives_what_fits_newest_first(mixed, company, user):
    for statuses in [ALL, *((status,) for status in ALL), ("pending", "failed"), ()]:
        expected = [
            job_id
            for job_id, c, u, status in mixed.made
            if company in (None, c) and user in (None, u) and status in statuses
        ]
        assert _list(mixed, company, user, statuses=statuses) == expected
        assert _list(mixed, company, user, statuses=statuses, limit=3) == expected[:3]


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
@pytest.mark.parametrize("statuses", [ALL, ("pending", "completed")])
def test_pages_by_before_seq_give_each_job_once(mixed, limit, statuses):
    expected = [job_id for job_id, _, _, status in mixed.made if status in statuses]
    listed: list[str] = []
    before = None
    while page := _list(mixed, before_seq=before, limit=limit, statuses=statuses):
        assert len(page) <= limit
        listed += page
        before = int(mixed.field(page[-1], "seq"))
    assert listed == expected


def test_a_page_has_the_records(stage):
    job_id = stage.submit(input=b"\x81\xa1a\x01")
    ((listed, fields),) = stage.run(
        scripts.list_jobs(stage.tag, company="acme", user=None, before_seq=None, limit=1, statuses=ALL)
    )
    assert (listed, fields[b"type"], fields[b"in"]) == (job_id, b"t", b"\x81\xa1a\x01")


def test_a_job_keeps_its_place_in_the_order_whatever_becomes_of_it(stage):
    ids = stage.submit_many(3)
    stage.cancel(ids[0])
    stage.claim_one()
    stage.retry(ids[0])
    assert _list(stage) == ids[::-1]


def test_a_limit_of_zero_is_an_empty_page(stage):
    stage.submit()
    assert _list(stage, limit=0) == []
