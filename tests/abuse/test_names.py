"""Types and ids of tenants that nobody expects: refused by a typed error that names them, or carried
unharmed through every call, in the queue's own slot and key family."""

from __future__ import annotations

import json

import pytest
from redis.crc import key_slot

from faciliter_jobs import JobStatus
from faciliter_jobs.errors import InvalidArgumentError
from tests.cli.conftest import bare_environment, cli, run
from tests.support.server import client_of

__all__ = ["bare_environment", "cli", "run"]

NAMES = {
    "braces": "{other}",
    "a closing brace": "}{jobs:}job:x",
    "colons": "a:b::c:",
    "newlines": "line\r\nbreak",
    "NULs": "nul\0byte\0",
    "escape sequences": "\x1b[31mred\x1b[0m",
    "emoji": "🦆👩‍👩‍👧‍👦",
    "right to left": "\u202eabc",
    "globs": "*?[a-z]\\^",
    "quotes": "'\"`$(touch x)`%s%d{0}",
    "a length before": "4:acme:ann",
    "spaces": "  two  ",
    "another family": "scheduled",
    "markup": "[bold red]x[/]",
    "a dash": "--help",
    "a number": "0",
    "as long as may be": "é" * 256,
}
LONG = "x" * 10_000
WITHOUT_CONTROL = [name for name, text in NAMES.items() if text.isprintable() or name in ("right to left",)]


def _keys(queue):
    return set(client_of(queue.config).scan_iter(match=queue.tag + "*", count=1000))


def _round_trip(queue, **fields):
    """Through submit, reading, listing, claim, progress, retry, completion and cleanup."""
    everything = set(client_of(queue.config).scan_iter(count=10_000))
    job_id = queue.submit_job(**{"job_type": "t", **fields})
    made = set(client_of(queue.config).scan_iter(count=10_000)) - everything
    assert made and all(key.startswith(queue.tag.encode()) for key in made)
    assert {key_slot(key) for key in made} == {key_slot(queue.tag.encode())}
    assert queue.doctor() == []

    job = queue.get_job(job_id)
    for name, value in fields.items():
        assert getattr(job, name) == value
    who = {name: fields[name] for name in ("company_id", "user_id") if name in fields}
    assert [j.job_id for j in queue.list_jobs(JobStatus.PENDING, **who)] == [job_id]
    assert queue.list_jobs(company_id="somebody else") == []
    assert job.job_type in queue.stats().waiting

    claimed = queue.get_pending_job([job.job_type])
    assert claimed is not None and claimed.job_id == job_id
    assert queue.update_job_progress(job_id, 50, str(fields))
    assert queue.fail_job(job_id, str(fields))
    assert queue.retry_job(job_id)
    assert queue.get_pending_job().job_id == job_id
    assert queue.complete_job(job_id, {"of": str(fields)})
    assert queue.get_job(job_id).result == {"of": str(fields)}
    assert [j.job_id for j in queue.list_jobs(JobStatus.COMPLETED, **who)] == [job_id]
    assert queue.doctor() == []
    assert queue.cleanup_old_jobs(0) == 1
    left = {key[len(queue.tag.encode()) :] for key in _keys(queue)}
    assert left <= {b"seq", b"meta", b"expiry"}


@pytest.mark.parametrize("name", NAMES)
def test_any_text_may_name_a_company_a_user_and_a_session(queue, name):
    text = NAMES[name]
    _round_trip(queue, company_id=text, user_id=text, session_id=text)


@pytest.mark.parametrize("name", [name for name in WITHOUT_CONTROL if len(NAMES[name].encode()) <= 128])
def test_any_text_without_control_characters_may_name_a_type(queue, name):
    _round_trip(queue, job_type=NAMES[name])


@pytest.mark.parametrize("name", ["newlines", "NULs", "escape sequences"])
def test_a_type_or_id_with_control_characters_is_refused(queue, name):
    before = _keys(queue)
    for field in ("job_type", "job_id"):
        with pytest.raises(InvalidArgumentError, match=field):
            queue.submit_job(**{"job_type": "t", field: NAMES[name]})
    assert _keys(queue) == before


@pytest.mark.parametrize("field", ["job_type", "job_id", "company_id", "user_id", "session_id"])
def test_a_name_of_10_kb_is_refused_with_the_limit_and_without_its_text(queue, field):
    before = _keys(queue)
    with pytest.raises(InvalidArgumentError, match=rf"{field}: 10,000 bytes, the limit is \d+") as raised:
        queue.submit_job(**{"job_type": "t", field: LONG})
    assert len(str(raised.value)) < 200
    for wrong in ({"company_id": LONG}, {"user_id": LONG}):
        with pytest.raises(InvalidArgumentError):
            queue.list_jobs(**wrong)
    assert _keys(queue) == before


def test_two_names_that_look_alike_are_two(queue):
    """Composed and decomposed, with a space, in another case: nothing is folded or trimmed."""
    names = ["é", "e\u0301", "É", "é ", "\u200bé"]
    ids = {name: queue.submit_job("t", company_id=name) for name in names}
    for name, job_id in ids.items():
        assert [job.job_id for job in queue.list_jobs(company_id=name)] == [job_id]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_shows_it_on_one_line_and_steers_no_terminal(cli, queue, name):
    text = NAMES[name]
    job_id = queue.submit_job("t", {"text": text}, text, text, text)
    queue.fail_job(job_id, text)
    for command in (("list",), ("show", job_id), ("stats",), ("doctor",)):
        said = cli(*command)
        assert said.code == 0
        assert not set(said.out) & set(map(chr, (*range(9), 11, 12, *range(14, 32), 127))), command
    assert len(cli("list").out.splitlines()) == 2
    (listed,) = json.loads(cli("list", "--json", f"--company={text}").out) if "\0" not in text else [None]
    if listed is not None:
        assert (listed["company_id"], listed["user_id"]) == (text, text)
