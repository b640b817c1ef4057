"""The application: what is in it, and who runs it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faciliter_jobs import InvalidArgumentError, InvalidTypeError, RedisJobQueue
from faciliter_jobs.tasks import JobApp, JobContext


def _tasks(app: JobApp, name: str) -> None:
    @app.task(name)
    def whoami(ctx: JobContext) -> str:
        return f"{name} {getattr(ctx.state, 'db', None)}"


def test_an_application_serves_the_tasks_of_those_that_it_includes(queue, jobs, run):
    mail, reports = JobApp(), JobApp()
    _tasks(mail, "mail")
    _tasks(reports, "reports")
    _tasks(jobs, "own")
    mail.include(reports)
    jobs.include(mail)
    assert list(jobs.tasks) == ["own", "mail", "reports"]
    assert run(reports.tasks["reports"].submit()).result == "reports None"
    assert reports.queue is queue and reports.state is jobs.state


def _other_queue(queue):
    return RedisJobQueue(replace(queue.config, prefix=f"{queue.config.prefix}other:"))


def test_an_application_with_another_queue_is_refused_as_its_jobs_would_never_be_served(queue, jobs):
    mail, reports = JobApp(), JobApp(_other_queue(queue))
    mail.include(reports)
    reports.queue = _other_queue(queue)
    with pytest.raises(
        InvalidArgumentError, match="include: other: its queue isn't that of this application"
    ):
        jobs.include(mail)
    assert jobs.tasks == {}
    reports.queue = None
    jobs.include(mail)


@pytest.mark.parametrize("own", [lambda queue: queue, lambda queue: RedisJobQueue(queue.config)])
def test_an_application_with_the_same_queue_is_included(queue, jobs, run, own):
    mail = JobApp(own(queue))
    _tasks(mail, "mail")
    jobs.include(mail)
    assert run(mail.tasks["mail"].submit()).result == "mail None"


def test_an_included_application_gives_up_its_queue_for_that_of_the_one_that_includes_it(queue):
    jobs, mail = JobApp(), JobApp(_other_queue(queue))
    jobs.include(mail)
    jobs.queue = queue
    assert mail.queue is queue


def test_middleware_of_an_included_application_is_inside_and_its_own(jobs, run):
    events: list[str] = []
    other = JobApp()
    _tasks(other, "other")
    _tasks(jobs, "own")

    @jobs.middleware
    def outer(job, call_next):
        events.append(f"outer {job.job_type}")
        return call_next(job)

    @other.middleware
    def inner(job, call_next):
        events.append(f"inner {job.job_type}")
        return call_next(job)

    jobs.include(other)
    run(other.tasks["other"].submit())
    run(jobs.tasks["own"].submit())
    assert events == ["outer other", "inner other", "outer own"]


def test_one_name_twice_and_one_application_twice_are_refused():
    a, b, c = JobApp(), JobApp(), JobApp()
    _tasks(a, "same")
    _tasks(b, "same")
    with pytest.raises(InvalidArgumentError, match="include: task 'same' exists already"):
        a.include(b)
    a.include(c)
    with pytest.raises(InvalidArgumentError, match="included already"):
        b.include(c)
    with pytest.raises(InvalidArgumentError, match="included already"):
        c.include(a)
    with pytest.raises(InvalidArgumentError, match="exists already"):
        _tasks(c, "same")


def test_only_functions_are_tasks(jobs):
    with pytest.raises(InvalidTypeError, match="task: expected a function, got int"):
        jobs.task(3)
