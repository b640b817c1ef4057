"""`cancel` and `retry` of several jobs, and `retry` of all that have failed or were cancelled."""

from __future__ import annotations

import io
import sys

import pytest

from faciliter_jobs import JobStatus, scripts
from faciliter_jobs.cli import changes
from faciliter_jobs.errors import QueueUnavailableError


@pytest.fixture
def typed(monkeypatch):
    """typed(text) is on stdin."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.fixture
def failed(queue):
    """failed(3, company_id="acme"): the ids of as many jobs that have failed."""

    def make(count, **fields):
        ids = [queue.submit_job("t", **fields) for _ in range(count)]
        assert all(queue.fail_job(job_id, "broken") for job_id in ids)
        return ids

    return make


def _pending(queue, ids):
    return [job_id for job_id in ids if queue.get_job(job_id).status is JobStatus.PENDING]


# --- several ids ----------------------------------------------------------------------------------


def test_several_jobs_are_cancelled_and_retried_by_one_command(cli, queue):
    first, second = queue.submit_job("t"), queue.submit_job("t")
    said = cli("cancel", first, second)
    assert (said.code, said.out, said.err) == (0, f"{first} is cancelled\n{second} is cancelled\n", "")
    said = cli("retry", first, second)
    assert (said.code, said.out, said.err) == (0, f"{first} is pending\n{second} is pending\n", "")


@pytest.mark.parametrize("command", ["cancel", "retry"])
def test_a_refusal_stops_none_of_the_others_and_gives_exit_code_1(cli, queue, failed, command):
    if command == "retry":
        done, (fit,) = queue.submit_job("t"), failed(1)
    else:
        done, fit = queue.submit_job("t"), queue.submit_job("t")
    queue.complete_job(done)
    said = cli(command, done, "nobody", fit)
    assert said.code == 1
    assert said.out == f"{fit} is {'pending' if command == 'retry' else 'cancelled'}\n"
    why = "completed" if command == "retry" else "finished"
    assert said.err == f"{done}: it is {why}\nnobody: there is no such job\n"


@pytest.mark.parametrize("command", ["cancel", "retry"])
def test_a_hyphen_stands_for_ids_from_stdin_one_a_line(cli, queue, typed, command):
    ids = [queue.submit_job("t", job_id=job_id) for job_id in ("a", "with a space", "-", "z")]
    if command == "retry":
        assert all(queue.cancel_job(job_id) for job_id in ids)
    typed("with a space\r\n\n-\n")
    said = cli(command, "a", "-", "z")
    became = "pending" if command == "retry" else "cancelled"
    assert (said.code, said.out) == (0, "".join(f"{job_id} is {became}\n" for job_id in ids))


def test_no_ids_on_stdin_are_nothing_to_do(cli, typed):
    typed("")
    assert cli("retry", "-").code == 0


def test_what_can_be_no_id_is_refused_before_anything_is_done(cli, queue, typed):
    job_id = queue.submit_job("t")
    typed("a\tb\n")
    said = cli("cancel", job_id, "-")
    assert (said.code, said.out) == (2, "") and said.err.startswith("error: job_id: ")
    assert _pending(queue, [job_id])


def test_an_id_may_begin_with_a_hyphen(cli, queue):
    ids = [queue.submit_job("t", job_id=job_id) for job_id in ("-abc", "--json-")]
    assert cli("cancel", *ids).out == "-abc is cancelled\n--json- is cancelled\n"
    assert cli("retry", *ids).out == "-abc is pending\n--json- is pending\n"


# --- all of a status ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_retry_takes_all_of_a_status_and_says_how_many(cli, queue, failed, monkeypatch, status):
    monkeypatch.setattr(changes, "_PAGE", 2)
    dead = failed(5)
    cancelled = [queue.submit_job("t") for _ in range(5)]
    assert all(queue.cancel_job(job_id) for job_id in cancelled)
    fit, others = (dead, cancelled) if status == "failed" else (cancelled, dead)
    said = cli("retry", "--status", status)
    assert (said.code, said.out, said.err) == (0, "retried 5 jobs\n", "")
    assert _pending(queue, fit) == fit and _pending(queue, others) == []
    assert cli("retry", "--status", status).out == "retried 0 jobs\n"


def test_retry_takes_all_whose_records_fill_more_than_a_page(cli, queue, failed, monkeypatch):
    monkeypatch.setattr(scripts, "MAX_PAGE_BYTES", 700)
    ids = failed(23)
    assert cli("retry", "--status", "failed").out == "retried 23 jobs\n"
    assert _pending(queue, ids) == ids


def test_retry_by_status_takes_only_the_companys_or_the_users(cli, queue, failed):
    ours, theirs = failed(2, company_id="acme", user_id="ann"), failed(2, company_id="zeta", user_id="ann")
    (bobs,) = failed(1, company_id="acme", user_id="bob")
    assert cli("retry", "--status", "failed", "--company", "acme", "--user", "bob").out == "retried 1 job\n"
    assert _pending(queue, [*ours, *theirs, bobs]) == [bobs]
    assert cli("retry", "--status", "failed", "--company", "acme").out == "retried 2 jobs\n"
    assert cli("retry", "--status", "failed", "--user", "ann").out == "retried 2 jobs\n"


def test_jobs_that_fail_again_at_once_are_retried_once_only(cli, queue, failed, monkeypatch):
    monkeypatch.setattr(changes, "_PAGE", 2)
    ids = failed(5)
    retry = type(queue).retry

    def retry_and_fail(self, job_id):
        ending = retry(self, job_id)
        assert queue.fail_job(job_id, "again")
        return ending

    monkeypatch.setattr(type(queue), "retry", retry_and_fail)
    assert cli("retry", "--status", "failed").out == "retried 5 jobs\n"
    assert {job.metadata["last_error"] for job in queue.list_jobs(JobStatus.FAILED)} == {"again"}
    assert len(ids) == len(queue.list_jobs(JobStatus.FAILED))


def test_what_others_have_retried_meanwhile_is_not_counted(cli, queue, failed, monkeypatch):
    ids = failed(3)
    retry = type(queue).retry

    def too_late(self, job_id):
        if job_id == ids[1]:
            retry(queue, job_id)
        return retry(self, job_id)

    monkeypatch.setattr(type(queue), "retry", too_late)
    assert cli("retry", "--status", "failed").out == "retried 2 jobs\n"
    assert _pending(queue, ids) == ids


def test_how_many_is_said_also_when_the_server_goes_away_in_between(cli, queue, failed, monkeypatch):
    ids = failed(3)
    retry = type(queue).retry

    def lost(self, job_id):
        if job_id == ids[0]:  # the oldest, so the last
            raise QueueUnavailableError("gone")
        return retry(self, job_id)

    monkeypatch.setattr(type(queue), "retry", lost)
    said = cli("retry", "--status", "failed")
    assert (said.code, said.out, said.err) == (2, "retried 2 jobs\n", "error: gone\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give ids"),
        (("a", "--status", "failed"), "not both"),
        (("a", "--company", "acme"), "--company: "),
        (("--user", "ann"), "--user: "),
        (("--status", "failed", "--company", ""), "company_id: "),
    ],
)
def test_a_retry_of_nothing_in_particular_is_refused_in_one_line(cli, arguments, complaint):
    said = cli("retry", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ") and complaint in said.err and said.err.count("\n") == 1


def test_a_status_that_has_no_retry_is_wrong_usage(cli):
    assert cli("retry", "--status", "completed").code == 2
