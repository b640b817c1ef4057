"""The job as its users see it."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faciliter_jobs import Job, JobCancelledError, JobStatus
from faciliter_jobs.context import Attempt
from faciliter_jobs.job import TERMINAL, TRANSITIONS

_TEXT = st.none() | st.text(max_size=8)
_JOBS = st.builds(
    Job,
    job_id=st.text(min_size=1),
    job_type=st.text(min_size=1),
    status=st.sampled_from(JobStatus),
    created_at=st.just("2027-01-15T08:00:00.000+00:00"),
    updated_at=st.just("2027-01-15T08:00:00.000+00:00"),
    company_id=_TEXT,
    input_data=st.none() | st.dictionaries(st.text(max_size=3), st.integers() | st.lists(st.integers())),
    progress=st.integers(0, 100),
    result=st.none() | st.text() | st.lists(st.integers()),
    error=_TEXT,
    metadata=st.none() | st.just({"retry_count": 2, "last_error": "x"}),
    attempt=st.integers(0, 9),
    retry_delay=st.none() | st.floats(0, 100),
)


@given(_JOBS)
def test_a_job_comes_back_from_its_dict(job):
    assert Job.from_dict(job.to_dict()) == job


@given(_JOBS)
def test_a_dict_has_every_field_and_survives_json(job):
    data = job.to_dict()
    assert list(data) == [field.name for field in fields(Job)]
    assert Job.from_dict(json.loads(json.dumps(data))) == job


@pytest.mark.parametrize("status", JobStatus)
def test_a_status_is_written_in_lower_case(status):
    job = Job("id", "t", status, "", "")
    assert job.to_dict()["status"] == status.name.lower()
    assert type(job.to_dict()["status"]) is str
    assert Job.from_dict(job.to_dict()).status is status


def test_keys_that_are_not_fields_are_left_out():
    data = {**Job("id", "t", JobStatus.PENDING, "", "").to_dict(), "of a later version": 1}
    assert Job.from_dict(data).job_id == "id"


def test_a_dict_is_a_copy():
    job = Job("id", "t", JobStatus.PENDING, "", "", input_data={"a": [1]})
    job.to_dict()["input_data"]["a"].append(2)
    assert job.input_data == {"a": [1]}


@pytest.mark.parametrize(
    ("metadata", "count"), [(None, 0), ({}, 0), ({"mine": 1}, 0), ({"retry_count": 2}, 2)]
)
def test_retry_count(metadata, count):
    assert Job("id", "t", JobStatus.PENDING, "", "", metadata=metadata).retry_count == count


def test_terminal_statuses():
    assert {status for status in JobStatus if status.is_terminal} == TERMINAL
    assert {"completed", "failed", "cancelled"} == {status.value for status in TERMINAL}


@pytest.mark.parametrize("status", JobStatus)
def test_each_status_can_be_reached_and_left(status):
    """LESSONS 12: no state without a way out."""
    assert any(target is status for _, target in TRANSITIONS)
    assert any(source is status for source, _ in TRANSITIONS)


def test_outside_a_handler_a_job_is_not_cancelled():
    job = Job("id", "t", JobStatus.CANCELLED, "now", "now")
    assert job.cancelled is False
    job.raise_if_cancelled()


def test_a_handlers_job_says_that_its_attempt_is_not_wanted_any_more_and_why():
    job, attempt = Job("id", "t", JobStatus.PROCESSING, "now", "now"), Attempt("id", "1.1", None)
    job.bind(attempt)
    assert not job.cancelled
    attempt.cancelled.tell("the job was cancelled")
    attempt.cancelled.tell("a second reason")
    assert job.cancelled
    with pytest.raises(JobCancelledError, match=r"^the job was cancelled$"):
        job.raise_if_cancelled()


def test_a_copy_of_a_handlers_job_is_equal_and_free_of_the_attempt():
    job = Job("id", "t", JobStatus.PROCESSING, "now", "now")
    job.bind(Attempt("id", "1.1", object()))
    job._attempt.cancelled.tell("x")
    for copied in (pickle.loads(pickle.dumps(job)), copy.deepcopy(job), Job.from_dict(job.to_dict())):
        assert copied == job and not copied.cancelled
