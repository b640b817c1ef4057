"""The record of a job to a `Job`: whatever it holds, a job or a typed error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faciliter_jobs import JobStatus, codec
from faciliter_jobs.errors import JobQueueError, UndecodableError
from faciliter_jobs.record import claimed_from_reply, fields_of, iso, job_from_fields

SOUND = {
    b"status": b"completed",
    b"type": b"t",
    b"seq": b"7",
    b"at": b"1800000000000",
    b"updated_at": b"1800000001500",
    b"ttl": b"1000",
    b"expires_at": b"1800000002500",
    b"co": b"acme",
    b"in": codec.pack({"a": 1}, "input", 99),
    b"metadata": codec.pack({"mine": True}, "metadata", 99),
    b"result": codec.pack([1, 2], "result", 99),
    b"progress": b"100",
    b"attempt": b"2",
    b"retries": b"1",
    b"last_error": b"ValueError: x",
    b"retry_delay_ms": b"1500",
}


def test_a_sound_record():
    job = job_from_fields("id", SOUND)
    assert (job.job_id, job.job_type, job.status, job.company_id) == ("id", "t", JobStatus.COMPLETED, "acme")
    assert (job.input_data, job.result, job.progress, job.attempt) == ({"a": 1}, [1, 2], 100, 2)
    assert job.metadata == {"mine": True, "retry_count": 1, "last_error": "ValueError: x"}
    assert (job.created_at, job.updated_at) == (
        "2027-01-15T08:00:00.000+00:00",
        "2027-01-15T08:00:01.500+00:00",
    )
    assert (job.retry_delay, job.retry_count, job.user_id, job.worker, job.due_at) == (
        1.5,
        1,
        None,
        None,
        None,
    )


@pytest.mark.parametrize("name", [b"type", b"status", b"at"])
def test_a_record_that_lacks_what_every_job_has_is_damaged(name):
    with pytest.raises(UndecodableError, match=r"^job id: damaged record"):
        job_from_fields("id", {k: v for k, v in SOUND.items() if k != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"status", b"done"),
        (b"status", b"\xff"),
        (b"type", b"\xff\xfe"),
        (b"at", b"yesterday"),
        (b"at", b"9" * 40),
        (b"updated_at", b""),
        (b"due_at", b"-" + b"9" * 18),
        (b"progress", b""),
        (b"attempt", b"two"),
        (b"retries", b"many"),
        (b"max_retries", b"1.5"),
        (b"retry_delay_ms", b"soon"),
        (b"in", b"\xc1"),
        (b"result", b""),
        (b"metadata", b"\x91"),
        (b"metadata", codec.pack([1], "metadata", 99)),
        (b"metadata", codec.pack("text", "metadata", 99)),
    ],
)
def test_a_damaged_field_is_one_typed_error(name, value):
    """LESSONS 41."""
    with pytest.raises(UndecodableError) as raised:
        job_from_fields("id", {**SOUND, name: value})
    assert isinstance(raised.value, ValueError) and isinstance(raised.value, JobQueueError)


@pytest.mark.parametrize("name", [b"co", b"u", b"session", b"error", b"worker", b"traceback"])
def test_text_of_another_program_that_is_not_utf8_is_shown_as_well_as_it_can_be(name):
    job = job_from_fields("id", {**SOUND, name: b"caf\xe9"})
    attribute = {b"co": "company_id", b"u": "user_id", b"session": "session_id"}.get(name, name.decode())
    assert getattr(job, attribute) == "caf\N{REPLACEMENT CHARACTER}"


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SOUND)), st.binary(max_size=12)))
def test_no_record_raises_anything_else(changed):
    with contextlib.suppress(UndecodableError):
        job_from_fields("id", {**SOUND, **changed})


def test_what_was_not_stored_is_none_and_what_was_empty_is_empty():
    bare = {k: v for k, v in SOUND.items() if k in (b"status", b"type", b"at", b"updated_at")}
    assert (job_from_fields("id", bare).metadata, job_from_fields("id", bare).input_data) == (None, None)
    assert job_from_fields("id", {**bare, b"metadata": b"\x80", b"in": b"\x80"}).metadata == {}


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "1970-01-01T00:00:00.000+00:00"), (1800000000001, "2027-01-15T08:00:00.001+00:00")],
)
def test_times_are_iso_8601_in_utc(ms, text):
    assert iso(ms) == text


def test_a_flat_reply_is_read_in_pairs():
    assert fields_of([b"a", b"1", b"b", b"2"]) == {b"a": b"1", b"b": b"2"}


@pytest.mark.parametrize(("status", "started"), [(b"pending", True), (b"processing", False)])
def test_a_claim_is_read_as_the_attempt_that_it_starts_or_finds(status, started):
    record = [b"status", status, b"type", b"t", b"at", b"1", b"updated_at", b"2", b"progress", b"40"]
    [claimed] = claimed_from_reply([[b"id", b"7.3", record]], "w1", 5000)
    job = claimed.job()
    assert (claimed.job_id, claimed.token, claimed.job_type) == ("id", "7.3", "t")
    assert (job.status, job.attempt, job.worker) == (JobStatus.PROCESSING, 3, "w1")
    assert job.progress == (0 if started else 40)
    assert job.started_at == ("1970-01-01T00:00:05.000+00:00" if started else None)
