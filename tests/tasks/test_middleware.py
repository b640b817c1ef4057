"""Layers around handlers, of tasks and of plain JobHandlers."""

from __future__ import annotations

import asyncio
import logging

import pytest

from faciliter_jobs import InvalidTypeError, Job, JobCancelledError, JobHandler, JobStatus, JobWorker
from faciliter_jobs.handlers import FunctionHandler
from faciliter_jobs.middleware import GiveUpOn, Middleware, RetryOn, Timing, with_middleware
from faciliter_jobs.tasks import JobApp


class Note(Middleware):
    def __init__(self, name: str, events: list[str]) -> None:
        self.name, self.events = name, events

    def before(self, job: Job) -> None:
        self.events.append(f"{self.name} before")

    def after(self, job: Job, result: object) -> None:
        self.events.append(f"{self.name} after {result}")

    def error(self, job: Job, error: BaseException) -> None:
        self.events.append(f"{self.name} error {error}")


class AsyncNote(Note):
    async def before(self, job: Job) -> None:
        await asyncio.sleep(0)
        super().before(job)


class EchoHandler(JobHandler):
    def handle(self, job: Job) -> object:
        if job.input_data is None:
            raise KeyError("input")
        return job.input_data["n"]


class AsyncEchoHandler(JobHandler):
    async def handle(self, job: Job) -> object:
        await asyncio.sleep(0)
        return EchoHandler().handle(job)


def _job(input_data: dict[str, object] | None = None) -> Job:
    return Job("j1", "echo", JobStatus.PROCESSING, "", "", input_data=input_data, attempt=1)


def _serve(queue, handler, count=1, **submit):
    job_id = queue.submit_job("echo", **submit)
    worker = JobWorker(queue, retry_delay=0, poll_interval=0.05)
    worker.register_handler(handler)
    worker.start(max_jobs=count)
    return queue.get_job(job_id)


def test_layers_go_round_a_handler_like_an_onions(queue):
    events: list[str] = []

    def double(job, call_next):
        events.append("double in")
        result = call_next(job)
        events.append("double out")
        return result * 2

    handler = with_middleware(EchoHandler(), Note("a", events), double, Note("b", events))
    job = _serve(queue, handler, input_data={"n": 4})
    assert job.result == 8
    assert events == ["a before", "double in", "b before", "b after 4", "double out", "a after 8"]


def test_errors_pass_through_the_layers_from_the_inside(queue):
    events: list[str] = []
    handler = with_middleware(EchoHandler(), Note("a", events), Note("b", events))
    job = _serve(queue, handler, max_retries=0)
    assert (job.status, job.error) == (JobStatus.FAILED, "KeyError: 'input'")
    assert events == ["a before", "b before", "b error 'input'", "a error 'input'"]


def test_a_layer_may_answer_for_the_handler(queue):
    handler = with_middleware(EchoHandler(), lambda job, call_next: "cached")
    assert _serve(queue, handler).result == "cached"


def test_hooks_and_async_layers_go_round_an_async_handler():
    events: list[str] = []

    async def double(job, call_next):
        return await call_next(job) * 2

    handler = with_middleware(AsyncEchoHandler(), AsyncNote("a", events), double, Note("b", events))
    assert asyncio.run(handler.handle(_job({"n": 4}))) == 8
    with pytest.raises(KeyError):
        asyncio.run(handler.handle(_job()))
    assert events == [
        "a before", "b before", "b after 4", "a after 8",
        "a before", "b before", "b error 'input'", "a error 'input'",
    ]  # fmt: skip


def test_a_function_of_the_wrong_kind_is_refused_when_it_is_put_on():
    async def layer(job, call_next): ...

    with pytest.raises(InvalidTypeError, match="layer is async, the handler of echo isn't"):
        with_middleware(EchoHandler(), layer)
    with pytest.raises(InvalidTypeError, match="AsyncNote is async"):
        with_middleware(EchoHandler(), AsyncNote("a", []))
    with pytest.raises(InvalidTypeError, match="isn't async, the handler of asyncecho is"):
        with_middleware(AsyncEchoHandler(), lambda job, call_next: None)
    with pytest.raises(InvalidTypeError, match="isn't async, the handler of f is"):
        with_middleware(FunctionHandler("f", AsyncEchoHandler().handle), lambda job, call_next: None)


@pytest.mark.parametrize(
    ("rule", "runs"),
    [(GiveUpOn(LookupError), 1), (GiveUpOn(ValueError), 3), (RetryOn(LookupError), 3), (RetryOn(OSError), 1)],
)
def test_rules_say_which_errors_are_worth_another_attempt(queue, rule, runs):
    job = _serve(queue, with_middleware(EchoHandler(), rule), count=runs, max_retries=2)
    assert (job.status, job.attempt, job.error) == (JobStatus.FAILED, runs, "KeyError: 'input'")
    assert "in handle" in job.traceback


@pytest.mark.parametrize("rule", [GiveUpOn(Exception), RetryOn(OSError)])
def test_no_rule_makes_an_attempt_that_was_called_off_final(rule):
    stopped = JobCancelledError("the worker stops")

    def stop(job, call_next):
        raise stopped

    with pytest.raises(JobCancelledError) as raised:
        with_middleware(EchoHandler(), rule, stop).handle(_job())
    assert raised.value is stopped


def test_timing_logs_each_attempt(queue, caplog):
    caplog.set_level(logging.INFO, "faciliter_jobs.timing")
    handler = with_middleware(EchoHandler(), Timing())
    done = _serve(queue, handler, input_data={"n": 1})
    failed = _serve(queue, handler, max_retries=0)
    said = [(r.job_id, r.getMessage(), r.seconds) for r in caplog.records if r.name.endswith("timing")]
    assert said[0][0] == done.job_id and "attempt 1 completed after" in said[0][1] and said[0][2] > 0
    assert said[1][0] == failed.job_id and "attempt 1 failed with KeyError after" in said[1][1]


def test_one_timing_may_go_round_a_job_twice(jobs, run, caplog):
    caplog.set_level(logging.INFO, "faciliter_jobs.timing")
    timing, mail = Timing(), JobApp()
    for app in (jobs, mail):
        app.middleware(timing)
    jobs.include(mail)

    @mail.task(max_retries=0)
    def send(to: str) -> str:
        return to

    assert run(send.submit("ann")).result == "ann"
    outer, inner = (r.seconds for r in reversed(caplog.records) if r.name.endswith("timing"))
    assert outer > inner
    assert timing._started == {}, "nothing is kept of a job that is done"


def test_timing_fails_no_job_that_it_has_not_seen_begin():
    Timing().after(_job(), None)


def test_an_application_wraps_each_of_its_tasks(jobs, run):
    events: list[str] = []

    @jobs.middleware
    def outer(job, call_next):
        events.append(f"outer {job.job_type}")
        return call_next(job)

    @jobs.middleware
    class Inner(Middleware):
        def before(self, job: Job) -> None:
            events.append(f"inner {job.job_type}")

    jobs.middleware(GiveUpOn(ZeroDivisionError))

    @jobs.task(max_retries=5)
    def divide(a: int, b: int) -> float:
        return a / b

    assert run(divide.submit(1, 2)).result == 0.5
    job = run(divide.submit(1, 0))
    assert (job.status, job.attempt) == (JobStatus.FAILED, 1)
    assert events == ["outer divide", "inner divide"] * 2


def test_what_is_no_middleware_is_refused(jobs):
    with pytest.raises(InvalidTypeError, match="expected a Middleware or a function, got int"):
        jobs.middleware(3)
