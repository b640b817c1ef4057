"""Waiting for many jobs, mapping a type over inputs, handles; over both queues."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Timer
from typing import Any

import pytest

from faciliter_jobs import JobStatus, default, keys, waiting
from faciliter_jobs.errors import (
    InvalidArgumentError,
    JobFailedError,
    JobNotFoundError,
    JobWasCancelledError,
    WaitTimeoutError,
)
from tests.support.proxy import Proxy
from tests.support.server import client_of
from tests.support.wait import until
from tests.support.waiters import until_waited_for


@pytest.fixture
def queue(either_queue: Any) -> Any:
    return either_queue


# --- many jobs ------------------------------------------------------------------------------------


def test_jobs_come_as_they_end_each_once(queue, background):
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(50)])
    order = ids[::-1]
    queue.complete_job(order[0])

    def end_the_others() -> None:
        until_waited_for(queue, order[-1])
        queue.fail_job(order[1], "x")
        queue.cancel_job(order[2])
        for job_id in order[3:]:
            queue.complete_job(job_id)

    ending = background(end_the_others)
    jobs = list(queue.as_completed([*ids, *ids], 20))
    ending.result()
    assert [job.job_id for job in jobs] == order
    assert [job.status.value for job in jobs[:4]] == ["completed", "failed", "cancelled", "completed"]


def test_of_many_jobs_those_that_are_gone_are_named_after_all_others(queue):
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(3)])
    for job_id in ids:
        queue.complete_job(job_id)
    found = []
    with pytest.raises(JobNotFoundError, match=r"2 jobs \(gone-1, gone-2\)"):
        for job in queue.as_completed(["gone-1", *ids, "gone-2"], 20):
            found.append(job.job_id)
    assert sorted(found) == sorted(ids)


def test_when_not_all_end_in_time_those_that_did_have_come(queue):
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(8)])
    queue.complete_job(ids[5])
    found = []
    with pytest.raises(WaitTimeoutError, match=r"not ended within 0\.3 s: 7 jobs \(.*, \.\.\.\)"):
        for job in queue.as_completed(ids, 0.3):
            found.append(job.job_id)
    assert found == [ids[5]]


def test_who_is_slow_to_ask_still_gets_those_that_ended_in_time(queue):
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(6)])
    queue.complete_job(ids[0])
    jobs = queue.as_completed(ids, 0.5)
    found = [next(jobs).job_id]
    for job_id in ids[1:5]:
        queue.complete_job(job_id)
    time.sleep(0.6)
    with pytest.raises(WaitTimeoutError, match=f"not ended within 0.5 s: job {ids[5]}"):
        for job in jobs:
            found.append(job.job_id)
    assert sorted(found) == sorted(ids[:5])


def test_no_jobs_end_at_once(queue):
    assert list(queue.as_completed([])) == []


def test_thousands_of_jobs_in_one_subscription(queue, make_queue, run_worker):
    ids = queue.submit_jobs([{"job_type": "t", "input_data": {"n": n}} for n in range(5000)])
    run_worker({"t": lambda job: job.input_data}, job_queue=make_queue(prefix=queue.config.prefix))
    jobs = list(queue.as_completed(ids, 60))
    assert sorted(job.job_id for job in jobs) == sorted(ids)
    assert all(job.result is not None for job in jobs)


def test_an_outage_while_ended_jobs_are_given_out_is_sat_out(queue, queue_class):
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(5)])
    for job_id in ids:
        queue.complete_job(job_id)
    config = replace(queue.config, retry_on_timeout=False)
    with Proxy(config) as proxy, queue_class(proxy.config) as behind:
        jobs = behind.as_completed(ids, 30)
        found = [next(jobs).job_id]
        proxy.refuse()
        proxy.cut()
        Timer(0.5, proxy.accept).start()
        found += [job.job_id for job in jobs]
    assert sorted(found) == sorted(ids)


# --- map ------------------------------------------------------------------------------------------


@pytest.fixture
def doubling(queue, make_queue, run_worker):
    def double(job: Any) -> dict[str, int]:
        n = job.input_data["n"]
        if n == 13:
            raise ValueError("unlucky")
        time.sleep(0.02 if n % 5 == 0 else 0)
        return {"n": 2 * n}

    for _ in range(2):
        run_worker({"double": double}, job_queue=make_queue(prefix=queue.config.prefix), max_retries=0)


def test_the_results_come_in_the_order_of_the_inputs(queue, doubling):
    found = list(queue.map_jobs("double", ({"n": n} for n in range(20, 120)), timeout=30, company_id="acme"))
    assert found == [{"n": 2 * n} for n in range(20, 120)]
    assert len(queue.list_jobs(company_id="acme", limit=200)) == 100


def test_or_as_they_end(queue, doubling):
    found = list(queue.map_jobs("double", [{"n": n} for n in range(20, 50)], timeout=30, ordered=False))
    assert sorted(result["n"] for result in found) == [2 * n for n in range(20, 50)]


def test_the_first_failure_is_raised_in_its_turn(queue, doubling):
    found = []
    with pytest.raises(JobFailedError, match="unlucky"):
        for result in queue.map_jobs("double", [{"n": n} for n in range(10, 20)], timeout=30):
            found.append(result)
    assert found == [{"n": 20}, {"n": 22}, {"n": 24}]


def test_an_error_that_is_kept_keeps_no_subscription(queue, background):
    waited = background(lambda: list(queue.map_jobs("t", [{"n": 1}, {"n": 2}], timeout=20)))
    until(lambda: len(queue.list_jobs()) == 2)
    jobs = sorted(queue.list_jobs(), key=lambda job: job.input_data["n"])
    until_waited_for(queue, jobs[1].job_id)
    queue.fail_job(jobs[0].job_id, "x")
    error = waited.exception(10)
    assert isinstance(error, JobFailedError) and error.__traceback__ is not None
    client = client_of(queue.config)
    until(lambda: client.pubsub_channels(keys.done(queue.tag, "*")) == [])


def test_or_stands_among_the_results(queue, doubling):
    found = list(
        queue.map_jobs("double", [{"n": n} for n in (12, 13, 14)], timeout=30, return_exceptions=True)
    )
    assert (found[0], found[2]) == ({"n": 24}, {"n": 28})
    assert isinstance(found[1], JobFailedError)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_record_that_is_gone_holds_back_no_other_s_result(queue, background, ordered):
    found: list[Any] = []

    def consume() -> None:
        options = {"timeout": 20, "return_exceptions": True, "ordered": ordered}
        for result in queue.map_jobs("t", [{"n": n} for n in range(4)], **options):
            found.append(result)

    waited = background(consume)
    until(lambda: len(queue.list_jobs()) == 4)
    first, *others = sorted(queue.list_jobs(), key=lambda job: job.input_data["n"])
    until_waited_for(queue, others[-1].job_id)
    for job in others[::-1]:
        queue.complete_job(job.job_id, job.input_data)
    client = client_of(queue.config)
    client.delete(f"{queue.tag}job:{first.job_id}")
    client.publish(keys.done(queue.tag, first.job_id), "")
    with pytest.raises(JobNotFoundError, match=first.job_id):
        waited.result(10)
    numbers = [result["n"] for result in found]
    assert (numbers if ordered else sorted(numbers)) == [1, 2, 3]


def test_what_cannot_be_mapped_is_named_and_nothing_is_submitted(queue):
    for inputs, fields, error, named in (
        ([{"n": 1}, {"s": {1}}], {}, TypeError, r"inputs\[1\]: input_data\.s: set"),
        ([{"n": 1}, 2], {}, TypeError, r"inputs\[1\]: input_data: expected a dict"),
        ([{}], {"job_id": "x"}, ValueError, "job_id: each job needs one of its own"),
        ([{}], {"colour": 1}, ValueError, "unknown field 'colour'"),
    ):
        with pytest.raises(error, match=named):
            list(queue.map_jobs("t", inputs, timeout=1, **fields))
    assert queue.list_jobs() == []


def test_a_progress_bar_counts_them(queue, doubling, capsys):
    inputs = [{"n": n} for n in range(10, 30)]
    list(queue.map_jobs("double", inputs, timeout=30, progress=True, return_exceptions=True))
    shown = capsys.readouterr().out
    assert "double" in shown and "20/20" in shown and "1 failed" in shown


# --- handles --------------------------------------------------------------------------------------


def test_a_handle_of_a_submitted_job(queue):
    handle = queue.submit("t", {"n": 1}, "acme", job_id="mine", delay=60)
    assert handle.id == "mine" and repr(handle).endswith("JobHandle('mine')")
    assert handle.status() is JobStatus.PENDING
    assert handle.get().company_id == "acme"
    assert handle.cancel() is True
    with pytest.raises(JobWasCancelledError):
        handle.result(5)
    queue.cleanup_old_jobs(0)
    with pytest.raises(JobNotFoundError, match="job mine"):
        handle.status()


# --- one company ----------------------------------------------------------------------------------


def test_a_company_waits_for_its_own_jobs(queue, background):
    own = queue.for_company("c1")
    handle = own.submit("t")
    waited = background(handle.result, 20)
    until_waited_for(queue, handle.id)
    assert queue.get_job(handle.id).company_id == "c1"
    queue.complete_job(handle.id, {"n": 1})
    assert waited.result(5) == {"n": 1}
    assert own.wait_for_job(handle.id, 5).job_id == handle.id


@pytest.mark.parametrize("ended", [False, True])
def test_another_company_s_job_is_as_one_that_does_not_exist(queue, ended):
    other = queue.submit_job("t", company_id="c2")
    if ended:
        queue.complete_job(other, {"secret": 1})
    own = queue.for_company("c1")
    for job_id in (other, "nobody"):
        begun = time.monotonic()
        for wait in (own.wait_for_result, own.wait_for_job):
            with pytest.raises(JobNotFoundError, match=rf"no such job \(any more\): job {job_id}$"):
                wait(job_id, 20)
        with pytest.raises(JobNotFoundError):
            list(own.as_completed([job_id], 20))
        assert time.monotonic() - begun < 5, "at once"


def test_what_a_company_maps_is_its_own(queue, doubling):
    own = queue.for_company("c1")
    assert list(own.map_jobs("double", [{"n": 1}, {"n": 2}], timeout=20)) == [{"n": 2}, {"n": 4}]
    assert {job.company_id for job in queue.list_jobs()} == {"c1"}
    with pytest.raises(InvalidArgumentError, match=r"inputs\[0\]: company_id: this handle"):
        list(own.map_jobs("double", [{"n": 1}], company_id="c2"))


# --- beside the queue -----------------------------------------------------------------------------


def test_the_module_s_function_waits_on_the_default_queue(make_queue):
    queue = make_queue()
    default.set_job_queue(queue)
    try:
        job_id = default.submit_job("t")
        queue.complete_job(job_id, {"n": 1})
        assert default.wait_for_result(job_id, timeout=5) == {"n": 1}
    finally:
        default.set_job_queue(None)


def test_ids_left_over_are_those_that_have_not_ended():
    left = waiting.Waiting(["a", "b"], None)
    assert left.remaining() is None and left.at_most(3) == 3
    assert left.take("c", None) is False
    assert left.take("a", None) is False and list(left.left) == ["b"]
    with pytest.raises(JobNotFoundError, match="job a"):
        left.finish()
