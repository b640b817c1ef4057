"""Arguments are checked before a write; what is wrong is named."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest

from faciliter_jobs import JobConfig, JobSpec, JobStatus, codec, validate
from faciliter_jobs.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    JobQueueError,
    NotSerialisableError,
    PayloadTooLargeError,
)

CONFIG = JobConfig()
VALUE, TYPE = InvalidArgumentError, InvalidTypeError


def _new(**fields):
    return validate.new_job(JobSpec(**{"job_type": "t", **fields}), CONFIG)


def test_the_errors_are_those_that_a_caller_would_expect():
    assert issubclass(VALUE, ValueError) and issubclass(VALUE, JobQueueError)
    assert issubclass(TYPE, TypeError) and issubclass(TYPE, JobQueueError)


_NOT_A_STRING = [5, b"t", ["t"], True, {"t": 1}]
_NOT_SECONDS = ["5", b"5", True, [1], timedelta(seconds=1)]
_OUT_OF_RANGE = [-1, -0.001, math.nan, math.inf, -math.inf, 10**10, 10**400]


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        *(("job_type", value, TYPE) for value in [None, *_NOT_A_STRING]),
        *(
            ("job_type", value, VALUE)
            for value in ["", "x" * 129, "é" * 65, "a\nb", "a\0", "\x7f", "\x85", "\ud800"]
        ),
        *(("job_id", value, TYPE) for value in _NOT_A_STRING),
        *(("job_id", value, VALUE) for value in ["", "x" * 513, "a\tb", "\x9f", "\udfff"]),
        *((f, value, TYPE) for f in ("company_id", "user_id", "session_id") for value in _NOT_A_STRING),
        *(
            (f, value, VALUE)
            for f in ("company_id", "user_id", "session_id")
            for value in ["", "x" * 513, "\ud800"]
        ),
        *((f, value, TYPE) for f in ("input_data", "metadata") for value in ["{}", 5, [("a", 1)], True, b""]),
        *((f, value, TYPE) for f in ("ttl", "delay", "retry_delay", "run_at") for value in _NOT_SECONDS),
        *((f, value, VALUE) for f in ("ttl", "delay", "retry_delay") for value in _OUT_OF_RANGE),
        ("ttl", 0, VALUE),
        ("ttl", 0.0001, VALUE),
        ("timeout", 0, VALUE),
        ("timeout", "1", TYPE),
        *(("run_at", value, VALUE) for value in [-1, math.nan, math.inf, 10**12, datetime(2030, 1, 1)]),
        ("run_at", datetime(1960, 1, 1, tzinfo=timezone.utc), VALUE),
        *(("max_retries", value, TYPE) for value in ["3", 3.0, True, math.nan]),
        *(("max_retries", value, VALUE) for value in [-1, 10**6 + 1, 10**5000]),
    ],
    ids=lambda v: repr(v)[:30] if not isinstance(v, int) else str(v)[:30] if abs(v) < 10**400 else "huge",
)
def test_a_bad_value_of_a_job_is_refused_by_name(field, value, error):
    with pytest.raises(error, match=f"^{field}: ") as raised:
        _new(**{field: value})
    assert len(str(raised.value)) < 1000


def test_delay_and_run_at_exclude_each_other():
    with pytest.raises(VALUE, match=r"^delay, run_at: "):
        _new(delay=1, run_at=1)


def test_payloads_are_refused_by_path_and_by_size():
    with pytest.raises(NotSerialisableError, match=r"^input_data\.a: set "):
        _new(input_data={"a": {1}})
    with pytest.raises(NotSerialisableError, match=r"^metadata\.b\[0\]: object "):
        _new(metadata={"b": [object()]})
    with pytest.raises(PayloadTooLargeError, match=r"^input_data: .* the limit is 1,048,576 "):
        _new(input_data={"a": "x" * 1024 * 1024})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("job_type", "x" * 128),
        ("job_type", "a:b {c} 🦆"),
        ("job_id", "x" * 512),
        ("company", "x" * 512),
        ("company", "a\n\0\x7f{}:"),
        ("user", " "),
    ],
)
def test_what_a_name_may_be(field, value):
    argument = {"company": "company_id", "user": "user_id"}.get(field, field)
    assert getattr(_new(**{argument: value}), field) == value


def test_what_is_given_is_packed_in_milliseconds():
    job = _new(
        input_data={"a": 1},
        metadata={},
        ttl=1.5,
        max_retries=0,
        retry_delay=0.0004,
        delay=2,
        session_id="s",
        timeout=2.5,
    )
    assert codec.unpack(job.input) == {"a": 1} and codec.unpack(job.metadata) == {}
    assert (job.ttl_ms, job.max_retries, job.retry_delay_ms, job.delay_ms) == (1500, 0, 0, 2000)
    assert (job.session, job.run_at_ms, job.priority, job.timeout_ms) == ("s", None, 0, 2500)


def test_what_is_not_given_stays_open():
    job = _new()
    assert (job.company, job.user, job.session, job.input, job.metadata) == (None,) * 5
    assert (job.max_retries, job.retry_delay_ms, job.delay_ms, job.run_at_ms, job.timeout_ms) == (None,) * 5
    assert job.ttl_ms == CONFIG.default_ttl * 1000


@pytest.mark.parametrize(
    "value",
    [
        1_900_000_000.25,
        datetime.fromtimestamp(1_900_000_000.25, timezone.utc),
        datetime.fromtimestamp(1_900_000_000.25, timezone(timedelta(hours=-7))),
    ],
)
def test_run_at_is_an_instant(value):
    assert _new(run_at=value).run_at_ms == 1_900_000_000_250


def test_new_ids_differ_and_are_short():
    ids = {validate.new_job_id() for _ in range(10_000)} | set(validate.new_job_ids(10_000))
    assert len(ids) == 20_000 and {len(job_id) for job_id in ids} == {14}
    assert "-" not in {job_id[0] for job_id in ids}


def test_as_many_ids_are_made_as_were_asked_for():
    assert [len(list(validate.new_job_ids(count))) for count in (0, 1, 7)] == [0, 1, 7]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (0, 0),
        (50, 50),
        (100, 100),
        (-5, 0),
        (101, 100),
        (33.9, 33),
        (math.inf, 100),
        (-math.inf, 0),
        (10**400, 100),
    ],
)
def test_progress_is_clamped(given, kept):
    assert validate.progress(given) == kept


@pytest.mark.parametrize(("value", "error"), [("50", TYPE), (None, TYPE), (True, TYPE), (math.nan, VALUE)])
def test_what_is_no_progress(value, error):
    with pytest.raises(error, match=r"^progress: "):
        validate.progress(value)


@pytest.mark.parametrize("value", [JobStatus.FAILED, "failed"])
def test_a_status_by_member_or_value(value):
    assert validate.status(value) is JobStatus.FAILED


@pytest.mark.parametrize(
    ("value", "error"), [("FAILED", VALUE), ("", VALUE), (4, TYPE), (None, TYPE), (b"failed", TYPE)]
)
def test_what_is_no_status(value, error):
    with pytest.raises(error, match=r"^status: "):
        validate.status(value)


def test_an_unknown_status_is_told_the_known_ones():
    with pytest.raises(VALUE, match="known: pending, processing, completed, failed, cancelled"):
        validate.status("done")


@pytest.mark.parametrize(
    ("value", "error"), [(-1, VALUE), (11, VALUE), ("5", TYPE), (True, TYPE), (5.0, TYPE)]
)
def test_an_integer_within_its_range(value, error):
    assert validate.integer(0, "limit", 0, 10) == 0 and validate.integer(10, "limit", 0, 10) == 10
    with pytest.raises(error, match=r"^limit: "):
        validate.integer(value, "limit", 0, 10)


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("short", 10, "short"),
        ("x" * 10, 10, "x" * 10),
        ("x" * 11, 10, "x" * 7 + "..."),
        ("é" * 10, 10, "ééé..."),
        ("🦆" * 5, 10, "🦆..."),
        ("a\ud800b", 10, "a?b"),
        ("", 10, ""),
    ],
)
def test_a_long_text_is_cut_between_characters(text, limit, kept):
    assert validate.clip(text, limit) == kept
    assert len(validate.clip(text, limit).encode()) <= limit


@pytest.mark.parametrize("value", [None, 5, b"x", ValueError("x")])
def test_a_message_is_a_string(value):
    with pytest.raises(TYPE, match=r"^error: "):
        validate.text(value, "error")


def test_a_message_of_any_length_is_taken():
    assert len(validate.text("x" * 10**6, "error")) == validate.MAX_TEXT_BYTES


@pytest.mark.parametrize("value", ["t", 5, None, [("job_type", "t")]])
def test_a_spec_is_a_jobspec_or_a_mapping(value):
    with pytest.raises(TYPE, match=r"jobs\[3\]"):
        validate.job_spec(value, 3)


def test_a_mapping_is_read_as_a_spec_and_an_unknown_name_is_named():
    assert validate.job_spec({"job_type": "t", "delay": 5}, 0) == JobSpec("t", delay=5)
    with pytest.raises(JobQueueError, match=r"jobs\[2\].*jobtype"):
        validate.job_spec({"jobtype": "t"}, 2)
    with pytest.raises(JobQueueError, match=r"jobs\[0\].*job_type"):
        validate.job_spec({"delay": 5}, 0)
