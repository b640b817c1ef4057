"""lua/read/list.lua: a page of jobs, newest first, with any mix of filters."""

from __future__ import annotations

from itertools import product

import pytest

from faciliter_jobs import InvalidArgumentError, JobStatus, scripts
from tests.support.contract import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_INBOX,
    IN_LANE,
    PLACE_OF,
    PROCESSING,
    SCHEDULED,
    STATES,
)

ALL = tuple(status.value for status in JobStatus)
STATUS_OF = {PROCESSING: "processing", COMPLETED: "completed", FAILED: "failed", CANCELLED: "cancelled"}


def _page(stage, company=None, user=None, before_seq=None, limit=100, max_bytes=10**6, statuses=ALL):
    call = scripts.list_jobs(
        stage.tag,
        company=company,
        user=user,
        before_seq=before_seq,
        limit=limit,
        max_bytes=max_bytes,
        statuses=statuses,
    )
    return stage.run(call)


def _list(stage, *filters, limit=100, **options):
    """All pages, up to the limit."""
    listed, before = [], options.pop("before_seq", None)
    while len(listed) < limit:
        page = _page(stage, *filters, before_seq=before, limit=limit - len(listed), **options)
        listed += [job_id for job_id, _ in page.jobs]
        before = page.next_before
        if before is None:
            break
    return listed


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
@pytest.mark.parametrize("company", [None, "A"])
def test_pages_by_before_seq_give_each_job_once(mixed, limit, statuses, company):
    expected = [i for i, c, _, status in mixed.made if status in statuses and company in (None, c)]
    listed: list[str] = []
    before, is_last = None, False
    while not is_last:
        page = _page(mixed, company, before_seq=before, limit=limit, statuses=statuses)
        listed += [job_id for job_id, _ in page.jobs]
        before, is_last = page.next_before, page.next_before is None
        assert is_last or len(page.jobs) == limit
    assert listed == expected


def _waiting(stage, company="acme", **options):
    return _list(stage, company, statuses=("pending",), **options)


def test_a_company_s_waiting_jobs_of_all_types_are_listed_wherever_they_wait(stage):
    """What is in a lane is listed by the lane, what is scheduled or in an inbox by the company's index."""
    ids = [stage.job_in(state) for state in (IN_INBOX, SCHEDULED, IN_LANE)]
    ids += [stage.submit(job_type=f"type {i % 3}") for i in range(6)]
    stage.submit(company="other")
    assert _waiting(stage) == ids[::-1]
    names = stage.client.zrevrange(stage.tag + "index:company:acme", 0, -1)
    assert [name.decode() for name in names] == ids[:2]


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_pages_of_many_types_that_took_turns(stage, limit):
    stage.check = False
    ids = [stage.submit(job_type=f"type {i * 7 % 40}") for i in range(200)]
    assert _waiting(stage, limit=limit) == ids[: -1 - limit : -1]
    before = int(stage.field(ids[120], "seq"))
    assert _waiting(stage, before_seq=before, limit=limit) == ids[119 : 119 - limit : -1]


def test_of_more_than_a_thousand_types_a_company_s_waiting_jobs_are_not_listed(stage):
    """LESSONS 34: a listing has a bound, and says so where it has to."""
    stage.check = False
    ids = [stage.submit(job_type=f"type {i}", user="ann") for i in range(1000)]
    assert _waiting(stage, limit=3) == ids[:-4:-1]
    ids.append(stage.submit(job_type="one more", user="ann"))
    with pytest.raises(InvalidArgumentError, match="company_id: jobs of more than 1,000 types wait"):
        _waiting(stage)
    assert _list(stage, "acme", statuses=("failed",)) == []
    assert _list(stage, "acme", "ann", limit=3) == ids[:-4:-1]


def test_a_page_has_the_records(stage):
    job_id = stage.submit(input=b"\x81\xa1a\x01")
    ((listed, fields),) = _page(stage, "acme", limit=1).jobs
    assert (listed, fields[b"type"], fields[b"in"]) == (job_id, b"t", b"\x81\xa1a\x01")


def test_a_job_keeps_its_place_in_the_order_whatever_becomes_of_it(stage):
    ids = stage.submit_many(3)
    stage.cancel(ids[0])
    stage.claim_one()
    stage.retry(ids[0])
    assert _list(stage) == ids[::-1]


def test_a_limit_of_zero_is_an_empty_page(stage):
    stage.submit()
    assert _page(stage, limit=0) == scripts.Page([], None)


@pytest.mark.parametrize(
    ("max_bytes", "limit", "listed", "goes_on"),
    [
        (1, 10, 1, True),  # one at the least
        (2_500, 10, 3, True),  # with the one that reaches it
        (1_000_000, 3, 3, True),  # all that was asked for
        (4_500, 10, 5, False),  # reached by the last that there is
        (1_000_000, 10, 5, False),
    ],
)
def test_a_page_ends_with_the_record_that_reaches_its_bytes(stage, max_bytes, limit, listed, goes_on):
    ids = [stage.submit(input=b"\xc5\x03\x84" + b"x" * 900) for _ in range(5)]
    page = _page(stage, "acme", max_bytes=max_bytes, limit=limit)
    assert [job_id for job_id, _ in page.jobs] == ids[: -1 - listed : -1]
    assert page.next_before == (int(stage.field(ids[5 - listed], "seq")) if goes_on else None)


@pytest.mark.parametrize("company", [None, "acme"])
@pytest.mark.parametrize("limit", [3, 100])
def test_a_user_s_running_jobs_are_found_among_all_that_run_a_part_at_a_time(stage, company, limit):
    """Decision 30: a user's index doesn't tell what runs. LESSONS 34: no call looks at all of it."""
    stage.check = False
    of_ann = [stage.submit(user="ann", company="acme") for _ in range(4)]
    of_bob = [stage.submit(user="bob", company="acme") for _ in range(450)]
    waiting = [stage.submit(user="ann", company="acme") for _ in range(2)]
    assert len(stage.claim(454)) == 454
    pages, before = [], None
    while True:
        page = _page(stage, company, "ann", before_seq=before, limit=limit, statuses=("processing",))
        pages.append([job_id for job_id, _ in page.jobs])
        before = page.next_before
        if before is None:
            break
    assert [job_id for page in pages for job_id in page] == of_ann[::-1]
    assert pages[:2] == [[], []]  # 400 of bob's
    assert _list(stage, company, "ann", statuses=("pending",), limit=limit) == waiting[::-1]
    assert _list(stage, company, "bob", statuses=("pending",)) == []
    assert _list(stage, company, "bob", limit=1) == of_bob[-1:]


def test_a_user_s_jobs_have_their_place_in_its_index_when_they_wait_and_when_they_have_ended(stage):
    """Decision 30: a start leaves it as it is."""
    job_id = stage.submit(user="ann")
    scores = [stage.client.zscore(stage.tag + "index:user:ann", job_id)]
    stage.claim_one()
    scores.append(stage.client.zscore(stage.tag + "index:user:ann", job_id))
    stage.complete(job_id)
    scores.append(stage.client.zscore(stage.tag + "index:user:ann", job_id))
    assert scores == [-4e13 - 1, -4e13 - 1, -3e13 - 1]
