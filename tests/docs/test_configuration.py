"""docs/configuration.md says what the code does."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields

import pytest

import faciliter_jobs
from faciliter_jobs import JobConfig, errors, validate
from tests.support.docs import page

_TEXT = page("configuration.md")
_FIELDS = {field.name: field for field in fields(JobConfig)}
# Set by a URL or by an argument only.
_WITHOUT_VARIABLE = {"unix_socket", "embedded", "shard", "ssl_options"}


def _rows(title: str) -> list[list[str]]:
    """The cells of a section's table."""
    section = _TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


def test_each_setting_has_its_variable_and_its_default_in_the_table():
    named = {row[1].strip("`"): row for row in _rows("Variables") if row[1]}
    assert set(named) == set(_FIELDS) - _WITHOUT_VARIABLE
    for name, (_, _, default, _) in named.items():
        value = _FIELDS[name].default
        assert value is not MISSING
        shown = "none" if value in (None, ()) else f"`{str(value).lower()}`"
        assert default == shown, name


@pytest.mark.parametrize("variable", [row[0].strip("`") for row in _rows("Variables")])
def test_each_variable_is_read(variable):
    values = {"URL": "redis://h/3", "SSL": "true", "RETRY_ON_TIMEOUT": "false", "HOST": "h", "PREFIX": "p:",
              "USERNAME": "u", "PASSWORD": "s", "ENCRYPTION_KEYS": f"k:{'A' * 43}="}  # fmt: skip
    name = variable.removeprefix("JOB_QUEUE_")
    for start in ("JOB_QUEUE_", "REDIS_"):
        assert JobConfig.from_env({start + name: values.get(name, "7")}) != JobConfig()


def test_the_limits_are_those_of_the_checks():
    limits = {row[0]: int(re.sub(r"\D", "", row[1])) for row in _rows("Limits")}
    assert limits["`job_type`"] == validate.MAX_TYPE_BYTES
    assert limits["`job_id`"] == limits["`company_id`, `user_id`, `session_id`"] == validate.MAX_ID_BYTES
    assert limits["`input_data`, `metadata`, a result"] == JobConfig().max_payload_bytes
    assert limits["progress message, error"] == validate.MAX_TEXT_BYTES
    assert limits["`ttl`, `delay`, `retry_delay`, `timeout`"] * 365 * 86400 == validate.MAX_SECONDS
    assert limits["`max_retries`"] == validate.MAX_RETRIES
    assert limits["jobs in one `submit_jobs`"] == validate.MAX_JOBS_PER_CALL
    assert limits["`list_jobs(limit=)`"] == limits["`stats(limit=)`"] == validate.MAX_LIMIT


def test_the_errors_are_those_that_there_are():
    builtins = {error.__name__ for error in (ValueError, TypeError, ConnectionError, TimeoutError,
                                             PermissionError, LookupError, RuntimeError)}  # fmt: skip
    for names, also, _ in _rows("Errors"):
        for name in re.findall(r"`(\w+)`", names):
            error = getattr(errors, name)
            assert issubclass(error, errors.JobQueueError)
            assert {c.__name__ for c in error.__mro__} & builtins >= set(re.findall(r"`(\w+)`", also))
    public = {name for name in faciliter_jobs.__all__ if isinstance(getattr(errors, name, None), type)}
    assert {name for name in public if f"`{name}`" not in _TEXT} == {"EncryptionError", "JobEndedError"}
