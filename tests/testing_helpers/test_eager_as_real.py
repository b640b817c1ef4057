"""What calls do to a job, in-line as on a real queue: each test runs on both."""

from __future__ import annotations

import pytest

from faciliter_jobs import (
    InvalidArgumentError,
    JobStatus,
    cancel_job,
    complete_job,
    fail_job,
    get_job_queue,
    get_job_status,
    update_job_progress,
    update_job_status,
)
from faciliter_jobs.testing import EagerQueue, run_worker_until_empty, using_queue


@pytest.fixture(params=["in-line", "in a worker"])
def place(request):
    """place(handlers) gives a queue, and what has the handlers run all that was submitted."""

    def in_line(handlers=()):
        queue = EagerQueue(*[handlers] if handlers else [])
        return queue, lambda: None

    def in_a_worker(handlers=()):
        queue = request.getfixturevalue("queue")
        return queue, lambda: run_worker_until_empty(queue, handlers)

    return in_line if request.param == "in-line" else in_a_worker


@pytest.fixture
def run(place):
    """Submits a job of each handler's type, has them run, and returns the queue."""

    def run(handlers, **arguments):
        queue, settle = place(handlers)
        with using_queue(queue):
            for job_type in handlers:
                queue.submit_job(job_type, job_id=job_type, **arguments)
            settle()
        return queue

    return run


# --- a handler whose own job is to run again --------------------------------------------------------


def test_a_handler_may_cancel_and_retry_its_own_job(run):
    def handle(job):
        if job.attempt == 1:
            assert cancel_job(job.job_id) and get_job_queue().retry_job(job.job_id)
            assert get_job_status(job.job_id).status is JobStatus.PENDING
        return f"attempt {job.attempt}"

    job = run({"t": handle}).get_job("t")
    assert (job.status, job.result, job.attempt) == (JobStatus.COMPLETED, "attempt 2", 2)


def test_a_handler_may_have_its_own_job_run_again_which_uses_no_retry(run):
    def handle(job):
        if job.attempt == 1:
            assert update_job_status(job.job_id, JobStatus.PENDING, "not yet")
            assert update_job_status(job.job_id, JobStatus.PENDING), "it is so already"
        return f"attempt {job.attempt}"

    job = run({"t": handle}, max_retries=0).get_job("t")
    assert (job.status, job.result, job.attempt) == (JobStatus.COMPLETED, "attempt 2", 2)
    assert (job.retry_count, job.metadata) == (0, {"last_error": "not yet"})


def test_the_error_of_an_attempt_that_was_given_up_is_refused(run):
    def handle(job):
        if job.attempt == 1:
            update_job_status(job.job_id, JobStatus.PENDING)
            raise ValueError("late")
        return "well"

    job = run({"t": handle}, max_retries=0).get_job("t")
    assert (job.status, job.result, job.attempt) == (JobStatus.COMPLETED, "well", 2)
    assert job.metadata == {"last_error": "given up"}


def test_what_an_attempt_does_after_it_was_given_up_is_refused(run):
    said = []

    def handle(job):
        if job.attempt == 1:
            cancel_job(job.job_id)
            get_job_queue().retry_job(job.job_id)
            said.append(update_job_progress(job.job_id, 50))
            said.append(complete_job(job.job_id, "late"))
            said.append(fail_job(job.job_id, "late"))
        return "well"

    job = run({"t": handle}).get_job("t")
    assert (said, job.result) == ([False, False, False], "well")


def test_an_attempt_that_has_ended_its_job_may_say_so_twice(run):
    said = []

    def handle(job):
        said.extend([complete_job(job.job_id, 1), complete_job(job.job_id, 2), fail_job(job.job_id, "x")])
        said.append(update_job_progress(job.job_id, 50))

    job = run({"t": handle}).get_job("t")
    assert (said, job.status, job.result) == ([True, True, True, False], JobStatus.COMPLETED, 1)


def test_a_job_that_was_claimed_by_hand_is_given_back(place):
    queue, _ = place()
    job_id = queue.submit_job("t", max_retries=0)
    assert queue.get_pending_job().attempt == 1
    assert queue.update_job_status(job_id, JobStatus.PENDING, "by hand")
    job = queue.get_job(job_id)
    assert (job.status, job.attempt, job.worker) == (JobStatus.PENDING, 1, None)
    assert job.metadata == {"last_error": "by hand"}
    assert queue.get_pending_job().attempt == 2


# --- what a record keeps ----------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_a_retry_drops_what_was_of_the_attempt_and_keeps_the_last_error(place, end):
    queue, _ = place()
    job_id = queue.submit_job("t", metadata={"from": "test"})
    queue.get_pending_job()
    assert queue.update_job_progress(job_id, 40, "half way")
    assert queue.fail_job(job_id, "broken") if end == "fail" else queue.cancel_job(job_id)
    assert queue.retry_job(job_id)
    job = queue.get_job(job_id)
    assert (job.status, job.attempt, job.worker) == (JobStatus.PENDING, 1, None)
    assert (job.progress, job.progress_message, job.error, job.due_at) == (0, None, None, None)
    last_error = {"last_error": "broken"} if end == "fail" else {}
    assert job.metadata == {"from": "test", **last_error}


def test_a_retry_drops_the_traceback(run):
    seen = []

    def handle(job):
        seen.append(get_job_status(job.job_id).traceback)
        raise ValueError

    queue = run({"t": handle}, max_retries=0)
    assert "ValueError" in queue.get_job("t").traceback
    with using_queue(queue):
        assert queue.retry_job("t")
        if not isinstance(queue, EagerQueue):
            run_worker_until_empty(queue, {"t": handle})
    assert seen == [None, None]


def test_a_job_that_a_later_attempt_fails_has_no_traceback_of_an_earlier_one(run):
    def handle(job):
        if job.attempt == 1:
            raise ValueError("the first time")
        fail_job(job.job_id, "no more")

    job = run({"t": handle}).get_job("t")
    assert (job.status, job.error, job.attempt) == (JobStatus.FAILED, "no more", 2)
    assert job.traceback == ""


def test_a_job_that_was_tried_again_says_since_when_it_was_due(run):
    def handle(job):
        if job.attempt == 1:
            raise ValueError

    assert run({"t": handle}).get_job("t").due_at is not None


def test_an_empty_message_leaves_the_one_before(place):
    queue, _ = place()
    job_id = queue.submit_job("t")
    queue.get_pending_job()
    assert queue.update_job_progress(job_id, 40, "half way") and queue.update_job_progress(job_id, 50, "")
    assert (queue.get_job(job_id).progress, queue.get_job(job_id).progress_message) == (50, "half way")


def test_progress_falls_only_by_a_reset(place):
    queue, _ = place()
    job_id = queue.submit_job("t")
    assert queue.update_job_progress(job_id, 40) and queue.update_job_progress(job_id, 30)
    assert queue.get_job(job_id).progress == 40
    assert queue.update_job_progress(job_id, 30, reset=True)
    assert queue.get_job(job_id).progress == 30


def test_listings_refuse_what_no_job_has(place):
    queue, _ = place()
    with pytest.raises(InvalidArgumentError, match="company_id: must not be empty"):
        queue.list_jobs(company_id="")
    with pytest.raises(InvalidArgumentError, match="user_id: must not be empty"):
        queue.list_jobs(user_id="")


# --- batches ----------------------------------------------------------------------------------------


def test_of_two_jobs_with_one_id_in_a_batch_the_first_is_kept(place):
    queue, _ = place()
    given = [{"job_type": "t", "job_id": "x", "input_data": {"n": n}} for n in (1, 2)]
    assert queue.submit_jobs(given) == ["x", "x"]
    assert [job.input_data for job in queue.list_jobs()] == [{"n": 1}]


def test_an_id_may_be_used_again_after_its_job_is_gone(place):
    queue, _ = place()
    for _ in range(2):
        queue.submit_job("t", job_id="x")
        assert queue.get_pending_job().attempt == 1
        assert queue.complete_job("x") and queue.cleanup_old_jobs(0) == 1
