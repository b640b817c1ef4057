"""What `list` shows in a terminal: whole ids, whatever else has to give way."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone

import pytest

from faciliter_jobs import Job, JobStatus
from faciliter_jobs.cli.table import lines_of
from tests.cli.terminal import in_terminal

_COMPANY, _USER = str(uuid.UUID(int=2**127 + 1)), str(uuid.UUID(int=2**126 + 5))


@pytest.fixture
def shown(cli):
    """shown(80, "list") on the queue of the fixture `queue`."""
    return in_terminal


def _job(**fields):
    at = fields.pop("created_at", "2026-11-28T21:07:33.123+00:00")
    return Job("g1FWfc2ahcBOWx", "send_mail", JobStatus.PENDING, at, at, **fields)


def _fits(lines, columns):
    return all(len(line) <= columns for line in lines)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(("company", "user"), [("acme", "ann"), (_COMPANY, _USER)])
def test_a_terminal_shows_ids_statuses_and_times_whole(shown, queue, columns, company, user):
    waiting = queue.submit_job("send_mail", company_id=company, user_id=user)
    running = queue.submit_job("resize_the_picture_of_a_user", company_id=company, user_id=user)
    queue.get_pending_job(["resize_the_picture_of_a_user"])
    queue.update_job_progress(running, 100)
    header, *rows = shown(columns, "list")
    assert header.split() == ["id", "status", "type", "company", "user", "done", "runs", "created"]
    assert _fits([header, *rows], columns)
    created = queue.get_job(waiting).created_at[5:19].replace("T", " ")
    cells = [row.split(maxsplit=2) for row in rows]
    assert [cell[:2] for cell in cells] == [[running, "processing"], [waiting, "pending"]]
    assert [row.split()[-4:-2] for row in rows] == [["100%", "1"], ["0%", "0"]]
    assert rows[1].endswith(created)


def test_what_fits_is_not_shortened(shown, queue):
    queue.submit_job("send_mail", company_id="acme", user_id="ann")
    assert shown(80, "list")[1].split()[2:5] == ["send_mail", "acme", "ann"]


def test_what_is_shortened_has_an_ellipsis_and_keeps_its_beginning(shown, queue):
    queue.submit_job("send_mail", company_id=_COMPANY, user_id=_USER)
    narrow, wide = shown(80, "list")[1].split()[2:5], shown(120, "list")[1].split()[2:5]
    assert wide[0] == "send_mail"
    for cells in (narrow, wide):
        for cell, whole in zip(cells, ("send_mail", _COMPANY, _USER)):
            assert cell == whole or (cell[-1] == "…" and whole.startswith(cell[:-1]) and len(cell) > 3)


def test_an_id_longer_than_the_terminal_is_whole_all_the_same(shown, queue):
    job_id = "an-id-that-is-" + "long-" * 20
    queue.submit_job("t", job_id=job_id)
    assert any(line.startswith(job_id) for line in shown(80, "list"))


def test_wide_characters_take_the_room_that_they_need():
    rows = lines_of([_job(company_id="漢字" * 20, user_id="ann")], columns=80)
    assert all(line.cell_len <= 80 for line in rows)
    assert "…" in rows[1].plain and "漢字" in rows[1].plain


def test_the_year_is_there_when_it_is_another_one():
    this_year = datetime.now(timezone.utc).year
    now, then = f"{this_year}-02-03T04:05:06.789+00:00", "2019-02-03T04:05:06.789+00:00"
    lines = [line.plain for line in lines_of([_job(created_at=now), _job(created_at=then)], 80)]
    assert lines[1].split()[-2:] == ["02-03", "04:05:06"]
    assert lines[2].split()[-2:] == ["2019-02-03", "04:05:06"]


def test_a_terminal_is_told_that_there_are_no_jobs(shown):
    assert shown(80, "list") == ["no jobs"]
