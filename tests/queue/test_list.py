"""list_jobs: any mix of filters, newest first, exact; against a look at every job."""

from __future__ import annotations

import random
from itertools import product

import pytest

from faciliter_jobs import JobStatus, scripts

COMPANIES = (None, "acme", "beta")
USERS = (None, "ann", "bob")


@pytest.fixture
def queue(either_queue):
    return either_queue


@pytest.fixture
def jobs(queue):
    """300 jobs of all statuses, companies and users, in the order of their submission."""
    chance = random.Random(3)
    ids = [
        queue.submit_job("t", company_id=chance.choice(COMPANIES), user_id=chance.choice(USERS))
        for _ in range(300)
    ]
    ends = [queue.complete_job, lambda i: queue.fail_job(i, "x"), queue.cancel_job]
    for job_id in chance.sample(ids, 200):
        chance.choice(ends)(job_id)
    while (job := queue.get_pending_job()) and chance.random() < 0.97:
        pass
    assert job is not None
    return [queue.get_job(job_id) for job_id in ids]


def _brute_force(jobs, status, company, user):
    return [
        job.job_id
        for job in reversed(jobs)
        if status in (None, job.status) and company in (None, job.company_id) and user in (None, job.user_id)
    ]


def test_every_mix_of_filters_and_limits(queue, jobs):
    assert {job.status for job in jobs} == set(JobStatus)
    for status, company, user in product((None, *JobStatus), COMPANIES, USERS):
        expected = _brute_force(jobs, status, company, user)
        for limit in (0, 1, 7, 1000):
            listed = queue.list_jobs(status, company, user, limit)
            assert [job.job_id for job in listed] == expected[:limit], (status, company, user, limit)


def test_a_listed_job_is_what_get_job_gives(queue, jobs):
    assert list(reversed(queue.list_jobs(limit=1000))) == jobs


def test_a_status_may_be_given_by_its_value(queue, jobs):
    assert queue.list_jobs("failed") == queue.list_jobs(JobStatus.FAILED)


def test_a_hundred_by_default(queue, jobs):
    assert len(queue.list_jobs()) == 100


def test_pages_are_joined_without_gap_or_double(queue):
    ids = queue.submit_jobs([{"job_type": "t", "company_id": "acme"} for _ in range(1700)])
    queue.submit_job("t", company_id="beta")
    listed = queue.list_jobs(company_id="acme", limit=1600)
    assert [job.job_id for job in listed] == ids[::-1][:1600]


def test_a_filter_that_nothing_fits_gives_nothing(queue, jobs):
    assert queue.list_jobs(company_id="nobody") == queue.list_jobs(user_id="nobody") == []
    assert queue.list_jobs(company_id="acme", user_id="nobody") == []


def test_a_deleted_job_is_listed_nowhere(queue, jobs):
    deleted = queue.cleanup_old_jobs(0)
    left = [job for job in jobs if not job.status.is_terminal]
    assert deleted == len(jobs) - len(left) > 0
    for status, company, user in product((None, *JobStatus), COMPANIES, USERS):
        listed = queue.list_jobs(status, company, user, 1000)
        assert [job.job_id for job in listed] == _brute_force(left, status, company, user)


@pytest.fixture
def pages(monkeypatch):
    """What each call of a listing gave."""
    given = []
    list_jobs = scripts.list_jobs

    def listed(*args, **kwargs):
        call = list_jobs(*args, **kwargs)
        parse = call.parse
        call.parse = lambda reply: given.append(parse(reply)) or given[-1]
        return call

    monkeypatch.setattr(scripts, "list_jobs", listed)
    return given


def _size(page):
    return sum(len(part) for _, fields in page.jobs for pair in fields.items() for part in pair)


def test_large_records_come_in_several_calls_none_of_which_holds_the_server_up(queue, pages):
    """A script that reads 500 records of a megabyte takes seconds, in which the server serves nobody."""
    size = 900_000
    ids = [queue.submit_job("t", {"d": bytes(size)}, "acme", "ann") for _ in range(23)]
    for filters in ({}, {"company_id": "acme"}, {"user_id": "ann"}, {"company_id": "acme", "user_id": "ann"}):
        pages.clear()
        listed = queue.list_jobs(limit=21, **filters)
        assert [job.job_id for job in listed] == ids[: -1 - 21 : -1]
        assert all(job.input_data == {"d": bytes(size)} for job in listed)
        assert max(map(_size, pages)) < scripts.MAX_PAGE_BYTES + size + 1000
        assert [len(page.jobs) for page in pages] == [5, 5, 5, 5, 1]
    assert [job.job_id for job in queue.for_company("acme").list_jobs()] == ids[::-1]
    assert queue.for_company("beta").list_jobs() == []


def test_every_mix_of_filters_and_limits_in_pages_of_few_bytes(queue, jobs, pages, monkeypatch):
    monkeypatch.setattr(scripts, "MAX_PAGE_BYTES", 700)
    for status, company, user in product((None, *JobStatus), COMPANIES, USERS):
        expected = _brute_force(jobs, status, company, user)
        for limit in (1, 7, 1000):
            listed = queue.list_jobs(status, company, user, limit)
            assert [job.job_id for job in listed] == expected[:limit], (status, company, user, limit)
    assert max(len(page.jobs) for page in pages) < 20
