"""What becomes of an attempt: results, errors, retries."""

from __future__ import annotations

import pytest

from faciliter_jobs import JobStatus, JobWorker, UnrecoverableError, complete_job, fail_job
from faciliter_jobs.worker.verdict import _MAX_TRACEBACK_BYTES
from tests.support.wait import until


def _finished(queue, job_id):
    def look():
        job = queue.get_job(job_id)
        return job if job.status.is_terminal else None

    return until(look)


def _run_one(queue, function, **submit):
    job_id = queue.submit_job("t", {}, **submit)
    worker = JobWorker(queue, retry_delay=0, max_retries=0)
    worker.register_function_handler("t", function)
    worker.start(max_jobs=1)
    return queue.get_job(job_id)


@pytest.mark.parametrize("result", [{"a": 1}, {}, None, [1, 2], "text", b"bytes", 3.5, True])
def test_the_result_is_kept(queue, result):
    assert _run_one(queue, lambda job: result).result == result


def test_three_retries_mean_four_runs(queue, run_worker):
    attempts = []

    def handle(job):
        attempts.append((job.attempt, job.retry_count))
        raise ValueError(f"broken {job.attempt}")

    job_id = queue.submit_job("t")
    run_worker({"t": handle}, max_retries=3)
    job = _finished(queue, job_id)
    assert job.status is JobStatus.FAILED
    assert attempts == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert job.error == "ValueError: broken 4"
    assert job.metadata == {"retry_count": 3, "last_error": "ValueError: broken 4"}


def test_an_error_keeps_type_message_and_traceback(queue):
    def handle(job):
        raise KeyError("the cause")

    job = _run_one(queue, handle)
    assert job.error == "KeyError: 'the cause'"
    assert job.traceback.startswith("Traceback (most recent call last)")
    assert "in handle" in job.traceback and job.traceback.rstrip().endswith("KeyError: 'the cause'")


def test_a_retry_that_succeeds_keeps_the_metadata_and_the_last_error(queue, run_worker):
    def handle(job):
        if job.attempt == 1:
            raise OSError("try again")
        return {"ok": True}

    job_id = queue.submit_job("t", metadata={"source": "api"})
    run_worker({"t": handle})
    job = _finished(queue, job_id)
    assert (job.status, job.result, job.error) == (JobStatus.COMPLETED, {"ok": True}, None)
    assert job.metadata == {"source": "api", "retry_count": 1, "last_error": "OSError: try again"}


def test_the_jobs_own_limits_go_before_the_workers(queue, run_worker):
    runs = {"none": 0, "two": 0}

    def handle(job):
        runs[job.input_data["limit"]] += 1
        raise ValueError

    none = queue.submit_job("t", {"limit": "none"}, max_retries=0)
    two = queue.submit_job("t", {"limit": "two"}, max_retries=2, retry_delay=0)
    run_worker({"t": handle}, max_retries=9, retry_delay=600)
    assert _finished(queue, none).retry_count == 0
    assert _finished(queue, two).retry_count == 2
    assert runs == {"none": 1, "two": 3}


def test_a_waiting_retry_holds_no_worker_up(queue, run_worker):
    failing = queue.submit_job("t", {"fails": True})
    other = queue.submit_job("t", {"fails": False})

    def handle(job):
        if job.input_data["fails"]:
            raise ValueError
        return {}

    run_worker({"t": handle}, retry_delay=600)
    assert _finished(queue, other).status is JobStatus.COMPLETED
    job = queue.get_job(failing)
    assert job.status is JobStatus.PENDING and job.retry_count == 1
    assert job.due_at > job.updated_at
    assert queue.stats().scheduled == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("b")])
def test_no_exception_of_a_handler_ends_the_worker(queue, run_worker, error):
    """Poison of the BaseException kind fails the job, and the next one runs."""

    def handle(job):
        if job.input_data["poison"]:
            raise error
        return {}

    poisoned = queue.submit_job("t", {"poison": True}, max_retries=0)
    healthy = queue.submit_job("t", {"poison": False})
    run_worker({"t": handle})
    assert _finished(queue, healthy).status is JobStatus.COMPLETED
    assert _finished(queue, poisoned).error.startswith(type(error).__name__)


def test_endless_recursion_fails_the_job_only(queue):
    def handle(job):
        return handle(job)

    job = _run_one(queue, handle)
    assert job.status is JobStatus.FAILED and job.error.startswith("RecursionError")


def test_an_error_whose_text_cannot_be_made_is_named(queue):
    class Bad(Exception):
        def __str__(self):
            raise RuntimeError

    def handle(job):
        raise Bad

    job = _run_one(queue, handle)
    assert job.error.startswith("Bad: <RuntimeError")


def test_long_errors_and_traces_are_capped(queue):
    """LESSONS 30."""

    def handle(job):
        raise ValueError("x" * 1_000_000)

    job = _run_one(queue, handle)
    assert len(job.error) <= 4096
    assert len(job.traceback) <= _MAX_TRACEBACK_BYTES + 10


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"rows": [{"when": {1, 2}}]}, "NotSerialisableError: result.rows[0].when: set is not serialisable"),
        ({"blob": b"x" * 2_000_000}, "PayloadTooLargeError: result: 2,000,0"),
    ],
)
def test_a_result_that_cannot_be_stored_fails_the_job_without_a_retry(queue, result, message):
    job_id = queue.submit_job("t", {})
    worker = JobWorker(queue, max_retries=5)
    worker.register_function_handler("t", lambda job: result)
    worker.start(max_jobs=1)
    job = queue.get_job(job_id)
    assert job.status is JobStatus.FAILED
    assert job.error.startswith(message)


def test_a_catch_all_worker_fails_jobs_without_a_handler(queue, run_worker):
    job_id = queue.submit_job("unknown")
    run_worker({"t": lambda job: {}}, catch_all=True)
    assert _finished(queue, job_id).error == "No handler registered for job type: unknown"


def test_a_worker_leaves_types_it_has_no_handler_for(queue, run_worker):
    unknown = queue.submit_job("unknown")
    run_worker({"t": lambda job: {}})
    _finished(queue, queue.submit_job("t"))
    assert queue.get_job(unknown).status is JobStatus.PENDING
    assert queue.stats().unserved == ["unknown"]


def test_a_handler_may_complete_its_job_itself(queue):
    def handle(job):
        assert complete_job(job.job_id, {"by": "handler"})
        return {"by": "return"}

    assert _run_one(queue, handle).result == {"by": "handler"}


def test_a_handler_may_fail_its_job_for_good(queue, run_worker):
    def handle(job):
        assert fail_job(job.job_id, "no use")
        return {"ignored": True}

    job_id = queue.submit_job("t")
    run_worker({"t": handle}, max_retries=5)
    job = _finished(queue, job_id)
    assert (job.status, job.error, job.result) == (JobStatus.FAILED, "no use", None)


def test_a_job_cancelled_while_it_runs_stays_cancelled(queue):
    job = _run_one(queue, lambda job: {"cancelled": queue.cancel_job(job.job_id)})
    assert job.status is JobStatus.CANCELLED and job.result is None


def test_a_damaged_record_fails_its_job_and_not_the_worker(queue, run_worker):
    """LESSONS 41."""
    damaged, healthy = queue.submit_job("t", {"a": 1}), queue.submit_job("t", {"a": 1})
    queue.transport.command("HSET", f"{queue.tag}job:{damaged}", "in", b"\xc1")
    run_worker({"t": lambda job: {}})
    assert _finished(queue, healthy).status is JobStatus.COMPLETED
    until(lambda: queue.stats().counts[JobStatus.FAILED] == 1)
    error = queue.transport.command("HGET", f"{queue.tag}job:{damaged}", "error")
    assert error.startswith(b"UndecodableError")


def test_an_unrecoverable_error_fails_the_job_whatever_retries_it_has(queue, run_worker):
    runs = []

    def handle(job):
        runs.append(job.attempt)
        raise UnrecoverableError("no such customer")

    job_id = queue.submit_job("t", max_retries=3)
    run_worker({"t": handle}, max_retries=3)
    job = _finished(queue, job_id)
    assert (job.status, runs) == (JobStatus.FAILED, [1])
    assert job.error == "UnrecoverableError: no such customer"


def test_an_unrecoverable_error_without_text_gives_the_text_of_its_cause(queue):
    def handle(job):
        try:
            raise KeyError("customer")
        except KeyError as error:
            raise UnrecoverableError from error

    job = _run_one(queue, handle, max_retries=3)
    assert (job.status, job.error) == (JobStatus.FAILED, "KeyError: 'customer'")
    assert "in handle" in job.traceback
