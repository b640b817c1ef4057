"""Tasks in a worker: arguments, results, errors, the context."""

from __future__ import annotations

import logging

import pytest

from faciliter_jobs import JobStatus
from faciliter_jobs.tasks import JobContext


def test_a_worker_runs_a_task_with_its_arguments(jobs, run):
    @jobs.task
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert run(add.submit(40)).result == 42


def test_another_producer_submits_a_task_with_a_dict(queue, jobs, run):
    @jobs.task
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert run(queue.submit_job("add", {"a": "40", "b": 1})).result == 41


@pytest.mark.parametrize(
    ("input_data", "error"),
    [
        (None, "InvalidTypeError: add: missing a required argument: 'a'"),
        ({"a": 1, "c": 2}, "InvalidTypeError: add: got an unexpected keyword argument 'c'"),
        ({"a": "many"}, "InvalidArgumentError: add: a: Input should be a valid integer"),
        ({1: 2}, "InvalidTypeError: add: input_data: expected a dict with the arguments by name"),
    ],
)
def test_arguments_that_do_not_fit_fail_the_job_without_retries(queue, jobs, run, input_data, error):
    runs = []

    @jobs.task
    def add(a: int) -> None:
        runs.append(a)

    job = run(queue.submit_job("add", input_data, max_retries=3))
    assert (job.status, job.attempt, runs) == (JobStatus.FAILED, 1, [])
    assert job.error.startswith(error)


def test_an_error_of_the_task_is_retried_as_any_handlers(jobs, run):
    @jobs.task(max_retries=1)
    def broken() -> None:
        raise ValueError("again")

    job = run(broken.submit(), count=2)
    assert (job.status, job.attempt, job.error) == (JobStatus.FAILED, 2, "ValueError: again")


def test_the_context_knows_the_job_and_is_no_argument(jobs, run, caplog):
    seen = []

    @jobs.task
    def report(ctx: JobContext, name: str) -> str:
        seen.append((ctx.job.job_type, ctx.job.attempt, ctx.job.company_id, ctx.job.input_data))
        assert ctx.progress(40, "reading")
        ctx.log("read %d%% of %s", 40, name)
        return name

    with caplog.at_level(logging.INFO, logger=__name__):
        job_id = report.options(company_id="acme", job_id="100%d").submit("x")
        run(job_id)
    assert seen == [("report", 1, "acme", {"name": "x"})]
    record = next(r for r in caplog.records if r.name == __name__)
    assert record.getMessage() == "job 100%d (report, attempt 1): read 40% of x"
    assert (record.job_id, record.job_type, record.attempt, record.company_id) == (
        "100%d", "report", 1, "acme",
    )  # fmt: skip
    assert record.funcName == "report"


def test_progress_is_seen_while_the_task_runs(queue, jobs, run):
    seen = []

    @jobs.task
    def report(ctx: JobContext) -> None:
        ctx.progress(40, "reading")
        job = queue.get_job(ctx.job.job_id)
        seen.append((job.progress, job.progress_message, ctx.job.progress))

    run(report.submit())
    assert seen == [(40, "reading", 40)]


def test_progress_of_an_attempt_that_lost_its_job_is_refused(queue, jobs, run):
    told = []

    @jobs.task
    def report(ctx: JobContext) -> None:
        queue.cancel_job(ctx.job.job_id)
        told.append(ctx.progress(50))

    assert run(report.submit()).status is JobStatus.CANCELLED
    assert told == [False]


def test_called_in_line_a_task_gets_a_context_too(queue, jobs):
    @jobs.task
    def report(ctx: JobContext, name: str) -> tuple[str, int]:
        ctx.progress(40)
        return f"{ctx.job.job_type} {name}", ctx.job.progress

    assert report("x") == ("report x", 40)
    assert queue.list_jobs() == []


def test_a_task_called_by_another_has_the_running_jobs_context(jobs, run):
    @jobs.task
    def inner(ctx: JobContext) -> str:
        return ctx.job.job_type

    @jobs.task
    def outer() -> str:
        return inner()

    assert run(outer.submit()).result == "outer"


def test_a_task_submits_others_from_within(queue, jobs, run):
    @jobs.task
    def second(n: int) -> int:
        return n + 1

    @jobs.task
    def first(n: int) -> str:
        return second.submit(n)

    job = run(first.submit(1), count=2)
    assert queue.get_job(job.result).result == 2
