"""Jobs run in-line, with the life that they have in a worker."""

from __future__ import annotations

import asyncio
import threading

import pytest

from faciliter_jobs import (
    InvalidArgumentError,
    JobApp,
    JobContext,
    JobSpec,
    JobStatus,
    JobWorker,
    NotSerialisableError,
    UnrecoverableError,
    cancel_job,
    complete_job,
    fail_job,
    get_job_queue,
    get_job_result,
    get_job_status,
    submit_job,
    update_job_progress,
)
from faciliter_jobs.testing import EagerQueue, eager

# What a job of each ending looks like must not depend on where it ran.


def _work(job):
    update_job_progress(job.job_id, 40, "half way")
    return {"n": job.input_data["n"] + 1, "attempt": job.attempt}


def _fails_twice(job):
    if job.attempt < 3:
        raise ValueError(f"attempt {job.attempt}")
    return job.retry_count


def _fails(job):
    raise KeyError("gone")


def _gives_up(job):
    raise UnrecoverableError("hopeless")


def _returns_what_cannot_be_stored(job):
    return {"lock": threading.Lock()}


def _completes_itself(job):
    complete_job(job.job_id, {"by": "itself"})
    return {"by": "return"}


def _cancels_itself(job):
    cancel_job(job.job_id)
    job.raise_if_cancelled()


async def _async(job):
    await asyncio.sleep(0)
    return job.input_data


HANDLERS = {
    function.__name__: function
    for function in (
        _work, _fails_twice, _fails, _gives_up, _returns_what_cannot_be_stored, _completes_itself,
        _cancels_itself, _async,
    )
}  # fmt: skip
_VARY = {"created_at", "updated_at", "started_at", "finished_at", "worker", "traceback", "due_at"}


def _comparable(job):
    return {name: value for name, value in job.to_dict().items() if name not in _VARY}


@pytest.mark.parametrize("job_type", HANDLERS)
def test_a_job_ends_as_it_does_in_a_worker(queue, job_type):
    arguments = {
        "input_data": {"n": 1, "raw": b"\xff", "pair": (1, 2)},
        "company_id": "acme",
        "user_id": "ann",
        "metadata": {"from": "test"},
        "job_id": "j1",
        "max_retries": 2,
        "retry_delay": 0,
    }
    queue.submit_job(job_type, **arguments)
    worker = JobWorker(queue, poll_interval=0.05)
    worker.register_function_handler(job_type, HANDLERS[job_type])
    worker.start(max_jobs=3 if job_type in ("_fails", "_fails_twice") else 1)
    in_line = EagerQueue(HANDLERS)
    in_line.submit_job(job_type, **arguments)
    ran, run_in_line = queue.get_job("j1"), in_line.get_job("j1")
    assert _comparable(run_in_line) == _comparable(ran)
    assert run_in_line.status.is_terminal
    assert bool(run_in_line.traceback) == bool(ran.traceback)


def test_what_cannot_be_stored_is_refused_as_in_production():
    queue = EagerQueue(HANDLERS)
    with pytest.raises(NotSerialisableError, match=r"input_data\.lock"):
        queue.submit_job("_work", {"lock": threading.Lock()})
    with pytest.raises(InvalidArgumentError, match="job_type"):
        queue.submit_job("")
    with pytest.raises(NotSerialisableError):
        queue.submit_jobs([JobSpec("_work", {"n": 1}), JobSpec("_work", {"n": object()})])
    assert queue.list_jobs() == []


def test_a_handler_cannot_change_what_was_submitted():
    given = {"rows": [1]}
    queue = EagerQueue({"t": lambda job: job.input_data["rows"].append(2)})
    job_id = queue.submit_job("t", given)
    assert given == {"rows": [1]} == queue.get_job(job_id).input_data


def test_the_documented_functions_run_in_line():
    before = EagerQueue()
    with eager(HANDLERS) as queue:
        assert get_job_queue() is queue is not before
        assert get_job_result(submit_job("_work", {"n": 1})) == {"n": 2, "attempt": 1}
        assert get_job_status(submit_job("_fails")).status is JobStatus.FAILED


def test_tasks_run_in_line_with_startup_and_shutdown(queue):
    jobs, other = JobApp(queue), JobApp()
    jobs.include(other)
    events = []

    @jobs.on_startup
    def connect(state):
        state.db = "db"
        events.append("startup")

    @other.on_startup
    async def warm_up():
        events.append("async startup")

    @jobs.on_shutdown
    def disconnect(state):
        events.append(f"shutdown {state.db}")

    @jobs.task
    def first(ctx: JobContext, n: int) -> str:
        ctx.progress(50)
        return second.submit(n + 1)

    @other.task
    async def second(ctx: JobContext, n: int) -> str:
        await asyncio.sleep(0)
        return f"{ctx.state.db} {n}"

    with eager(jobs) as in_line:
        job = in_line.get_job(first.submit(1))
        assert (job.status, job.progress) == (JobStatus.COMPLETED, 100)
        assert in_line.get_job(job.result).result == "db 2"
        assert events == ["startup", "async startup"]
    assert events[2:] == ["shutdown db"]
    assert jobs.queue is queue and queue.list_jobs() == []


def test_errors_are_raised_where_the_test_wants_them():
    runs = []

    def handle(job):
        runs.append(job.attempt)
        raise ZeroDivisionError("in the handler")

    with eager({"t": handle}, max_retries=1, raise_errors=True) as queue:
        with pytest.raises(ZeroDivisionError, match="in the handler"):
            submit_job("t")
        assert runs == [1, 2]
        assert queue.list_jobs()[0].status is JobStatus.FAILED


def test_an_error_that_a_retry_mended_is_not_raised():
    with eager({"t": _fails_twice}, raise_errors=True) as queue:
        assert queue.get_job(submit_job("t")).result == 2


def test_the_rest_of_a_batch_is_run_before_the_first_error_is_raised():
    def handle(job):
        if job.input_data["broken"]:
            raise ValueError(job.job_id)

    queue = EagerQueue({"t": handle}, max_retries=0, raise_errors=True)
    with pytest.raises(ValueError, match="b"):
        queue.submit_jobs(JobSpec("t", {"broken": i in "bc"}, job_id=i) for i in "abcd")
    assert [queue.get_job(i).status.value for i in "abcd"] == ["completed", "failed", "failed", "completed"]


def test_all_that_is_due_is_run_before_the_first_error_is_raised():
    queue = EagerQueue({"_work": _work, "_fails": _fails}, max_retries=0, raise_errors=True)
    queue.submit_job("_work", {"n": 1}, job_id="second", delay=20)
    queue.submit_job("_fails", delay=10)
    with pytest.raises(KeyError, match="gone"):
        queue.advance(30)
    assert queue.get_job("second").status is JobStatus.COMPLETED


def test_a_result_that_cannot_be_stored_is_an_error_to_raise():
    queue = EagerQueue({"t": _returns_what_cannot_be_stored}, raise_errors=True)
    with pytest.raises(NotSerialisableError, match=r"result\.lock"):
        queue.submit_job("t")
    assert queue.list_jobs()[0].status is JobStatus.FAILED


def test_the_error_of_an_awaitable_that_a_plain_function_returns_is_raised():
    async def later():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        EagerQueue({"t": lambda job: later()}, max_retries=0, raise_errors=True).submit_job("t")


def test_an_earlier_attempts_error_is_not_raised_for_one_that_raised_nothing():
    def handle(job):
        if job.attempt == 1:
            raise ValueError
        fail_job(job.job_id, "no more")

    with eager({"t": handle}, raise_errors=True) as queue:
        assert queue.get_job(submit_job("t")).error == "no more"


def _interrupted(job):
    raise KeyboardInterrupt


def _fails_the_test(job):
    pytest.fail("the test's own")


async def _fails_the_test_later(job):
    await asyncio.sleep(0)
    pytest.skip("not here")


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (_interrupted, KeyboardInterrupt),
        (_fails_the_test, pytest.fail.Exception),
        (_fails_the_test_later, pytest.skip.Exception),
    ],
)
def test_what_ends_a_test_is_not_taken_for_the_jobs_failure(handle, error):
    runs = []

    def noted(job):
        runs.append(job.attempt)
        return handle(job)

    queue = EagerQueue({"t": noted})
    with pytest.raises(error):
        queue.submit_job("t")
    assert runs == [1], "nothing is tried again"


def test_what_ends_a_test_does_so_from_a_job_within_a_job():
    handlers = {"outer": lambda job: submit_job("inner"), "inner": _fails_the_test}
    with eager(handlers), pytest.raises(pytest.fail.Exception, match="the test's own"):
        submit_job("outer")


def _exits(job):
    raise SystemExit(3)


def _is_cancelled_by_nobody(job):
    raise asyncio.CancelledError


@pytest.mark.parametrize("handle", [_exits, _is_cancelled_by_nobody])
def test_what_code_ends_itself_with_fails_the_attempt(handle):
    queue = EagerQueue({"t": handle}, max_retries=1)
    job = queue.get_job(queue.submit_job("t"))
    assert (job.status, job.attempt) == (JobStatus.FAILED, 2)


def test_delayed_jobs_run_when_their_time_has_come():
    ran = []
    queue = EagerQueue({"t": lambda job: ran.append(job.job_id)})
    for job_id, delay in (("b", 20), ("a", 10), ("c", 30)):
        queue.submit_job("t", job_id=job_id, delay=delay)
    assert queue.get_job("a").status is JobStatus.PENDING and ran == []
    queue.advance(25)
    assert ran == ["a", "b"]
    queue.advance(5)
    assert ran == ["a", "b", "c"]


def test_a_second_submit_of_an_id_changes_nothing():
    ran = []
    queue = EagerQueue({"t": lambda job: ran.append(job.input_data)})
    assert queue.submit_job("t", {"n": 1}, job_id="x") == queue.submit_job("t", {"n": 2}, job_id="x") == "x"
    assert ran == [{"n": 1}]


def test_jobs_without_a_handler_wait_and_are_claimed_by_hand():
    queue = EagerQueue(HANDLERS)
    job_id = queue.submit_job("other", {"n": 1})
    assert queue.get_job(job_id).status is JobStatus.PENDING
    job = queue.get_pending_job()
    assert (job.job_id, job.status, job.input_data) == (job_id, JobStatus.PROCESSING, {"n": 1})
    assert queue.get_pending_job() is None
    assert queue.complete_job(job_id, {"ok": True}) and not queue.fail_job(job_id, "late")
    assert queue.get_job_result(job_id) == {"ok": True}


def test_dead_letters_are_retried_cancelled_and_cleaned_up():
    broken = [True]

    def handle(job):
        if broken:
            raise ValueError(broken.pop())
        return "mended"

    queue = EagerQueue({"t": handle}, max_retries=0)
    job_id = queue.submit_job("t")
    assert queue.get_job(job_id).status is JobStatus.FAILED
    assert queue.retry_job(job_id) and not queue.retry_job(job_id)
    assert queue.get_job(job_id).result == "mended"
    waiting = queue.submit_job("t", delay=60)
    assert queue.update_job_status(waiting, JobStatus.CANCELLED, "unwanted")
    assert queue.get_job(waiting).error == "unwanted"
    assert queue.cleanup_old_jobs(60) == 0
    queue.advance(61)
    assert queue.cleanup_old_jobs(60) == 2 and queue.list_jobs() == []


def test_listings_filter_as_the_real_queues_do():
    queue = EagerQueue({"t": lambda job: None})
    for company, user in (("acme", "ann"), ("acme", "bob"), ("beta", "ann")):
        queue.submit_job("t", company_id=company, user_id=user)
    queue.submit_job("waits", company_id="acme")
    assert [job.user_id for job in queue.list_jobs(company_id="acme")] == [None, "bob", "ann"]
    assert len(queue.list_jobs(JobStatus.COMPLETED, user_id="ann")) == 2
    assert len(queue.list_jobs(limit=2)) == 2
