"""`submit` has what submit_job has."""

from __future__ import annotations

import inspect
import io
import sys
from datetime import datetime, timezone

import pytest

from faciliter_jobs import RedisJobQueue
from faciliter_jobs.cli.submit import submit

_SHORTER = {"input_data": "data", "company_id": "company", "user_id": "user", "session_id": "session"}


def test_submit_has_an_option_for_each_argument_of_submit_job():
    arguments = list(inspect.signature(RedisJobQueue.submit_job).parameters)
    options = list(inspect.signature(submit).parameters)
    assert [_SHORTER.get(name, name) for name in arguments if name != "self"] == options[1:]


def test_a_job_has_all_that_its_options_say(cli, queue):
    said = cli(
        "submit", "t", "--job-id", "mine", "--session", "s1", "--metadata", '{"source": "shell"}',
        "--ttl", "600", "--max-retries", "7", "--retry-delay", "2.5", "--timeout", "30",
    )  # fmt: skip
    assert (said.code, said.out, said.err) == (0, "mine\n", "")
    job = queue.get_job("mine")
    assert (job.session_id, job.metadata) == ("s1", {"source": "shell"})
    assert (job.max_retries, job.retry_delay, job.timeout) == (7, 2.5, 30)


def test_a_second_submit_of_an_id_prints_it_and_changes_nothing(cli, queue):
    for job_type in ("first", "second"):
        assert cli("submit", job_type, "--job-id", "mine").out == "mine\n"
    assert queue.get_job("mine").job_type == "first"


@pytest.mark.parametrize("given", ["4102444800", "2100-01-01T00:00:00Z", "2100-01-01T01:00:00+01:00"])
def test_run_at_is_a_time_with_its_zone_or_a_unix_time(cli, queue, given):
    job = queue.get_job(cli("submit", "t", "--run-at", given, "--ttl", "1").out.strip())
    assert datetime.fromisoformat(job.due_at) == datetime(2100, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--run-at", "2100-01-01T00:00:00"), "error: run_at: a datetime without a time zone"),
        (("--run-at", "tomorrow"), "error: --run-at: "),
        (("--run-at", "nan"), "error: run_at: nan"),
        (("--run-at", "1", "--delay", "1"), "error: delay, run_at: "),
        (("--metadata", "[]"), "error: --metadata: expected a JSON object"),
        (("--data", "-", "--metadata", "-"), "error: --metadata: "),
        (("--job-id", ""), "error: job_id: "),
        (("--timeout", "0"), "error: timeout: "),
        (("--data", '{"a":' * 50_000 + "1" + "}" * 50_000), "error: --data: nested too deep"),
    ],
)
def test_what_can_not_be_used_is_named_in_one_line(cli, monkeypatch, options, complaint):
    monkeypatch.setattr(sys, "stdin", io.StringIO("{}"))
    said = cli("submit", "t", *options)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(complaint) and said.err.count("\n") == 1


@pytest.mark.parametrize("depth", [400, 600, 900])
def test_data_that_is_nested_deep_is_stored_or_refused_in_one_line(cli, queue, depth):
    said = cli("submit", "t", "--data", '{"a":' * depth + "1" + "}" * depth)
    if said.code == 0:
        assert queue.get_job(said.out.strip()).input_data["a"]
    else:
        assert said.code == 2 and said.err.startswith("error: ") and said.err.count("\n") == 1
