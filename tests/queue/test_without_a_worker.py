"""Work by hand: jobs that are claimed by get_pending_job, ended by their caller, or given up by somebody."""

from __future__ import annotations

import pytest

from faciliter_jobs import JobStatus, keys
from faciliter_jobs.errors import EncryptionError, UndecodableError
from tests.support.server import client_of
from tests.support.wait import until

KEY = f"k:{'A' * 43}="


@pytest.fixture
def queue(either_queue):
    return either_queue


def _damage(queue, job_id, **fields):
    client_of(queue.config).hset(keys.job(queue.tag, job_id), mapping=fields)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"in": b"\x81"}, "input_data: can't be decoded: "),
        ({"in": b"\xc7\x03\x01abc"}, "input_data: can't be decoded: Invalid isoformat string"),
        ({"metadata": b"\x01"}, "metadata: expected a dict, found int"),
        ({"timeout_ms": "soon"}, "damaged record: ValueError"),
    ],
)
def test_a_claimed_job_that_can_not_be_read_fails_with_the_reason_and_the_caller_is_told(
    queue, damage, reason
):
    """It would stand in the caller's hands until the lease is over, and then in the next one's."""
    job_id, sound = queue.submit_job("t", {"n": 1}, max_retries=5), queue.submit_job("t", {"n": 2})
    _damage(queue, job_id, **damage)
    with pytest.raises(UndecodableError, match=f"{job_id}.*{reason}") as raised:
        queue.get_pending_job()
    assert not isinstance(raised.value, EncryptionError)
    assert queue.get_pending_job().job_id == sound
    assert queue.get_pending_job() is None
    job = queue.get_job(job_id)
    assert job.status is JobStatus.FAILED
    assert job.error.startswith("UndecodableError: ") and reason in job.error
    assert queue.stats().leased == 1
    assert {problem.kind for problem in queue.doctor()} <= {"field"}, "all is in its place"


def test_what_is_due_or_was_given_up_is_claimed_without_any_worker(queue):
    delayed = queue.submit_job("delayed", delay=0.05)
    failed = queue.submit_job("failed")
    queue.fail(queue.get_pending_job(["failed"]).job_id, "once more", retry_delay=0.05)
    lost = queue.submit_job("lost", max_retries=1)
    assert queue.get_pending_job(["lost"], lease=0.1).job_id == lost
    claimed = {}
    until(lambda: claimed.update({j.job_id: j for j in [queue.get_pending_job()] if j}) or len(claimed) == 3)
    assert {job_id: job.attempt for job_id, job in claimed.items()} == {delayed: 1, failed: 2, lost: 2}


def test_an_encrypted_job_that_was_tampered_with_fails_so_too(make_either):
    pytest.importorskip("cryptography")
    queue = make_either(encryption_keys=(KEY,))
    job_id, other = queue.submit_job("t", {"n": 1}), queue.submit_job("t", {"n": 2})
    client = client_of(queue.config)
    _damage(queue, job_id, **{"in": client.hget(keys.job(queue.tag, other), "in")})
    with pytest.raises(EncryptionError, match=job_id):
        queue.get_pending_job()
    (failed,) = queue.list_jobs(JobStatus.FAILED)
    assert failed.job_id == job_id and "its ciphertext was changed" in failed.error
    assert b"UndecodableError" not in client.hget(keys.job(queue.tag, job_id), "error"), "encrypted as well"
    assert queue.get_pending_job().job_id == other


@pytest.mark.parametrize("max_retries", [0, 1, None])
def test_a_running_job_that_is_to_run_again_never_ends_as_a_dead_letter(queue, max_retries):
    job_id = queue.submit_job("t", max_retries=max_retries)
    for attempt in (1, 2, 3, 4, 5):
        assert queue.get_pending_job().attempt == attempt
        assert queue.update_job_status(job_id, JobStatus.PENDING, "the machine is needed") is True
        assert queue.update_job_status(job_id, JobStatus.PENDING) is True, "it waits already"
        job = queue.get_job(job_id)
        assert (job.status, job.error, job.retry_count) == (JobStatus.PENDING, None, 0)
        assert job.metadata == {"last_error": "the machine is needed"}
    assert queue.doctor() == []


def test_it_may_also_be_asked_for_through_its_company_s_handle_alone(queue):
    job_id = queue.submit_job("t", company_id="acme", max_retries=0)
    queue.get_pending_job()
    assert queue.for_company("beta").update_job_status(job_id, JobStatus.PENDING) is False
    assert queue.get_job(job_id).status is JobStatus.PROCESSING
    assert queue.for_company("acme").update_job_status(job_id, JobStatus.PENDING) is True
    assert queue.get_pending_job().job_id == job_id


def test_a_completed_job_is_not_to_run_again(queue):
    job_id = queue.submit_job("t")
    queue.complete_job(job_id)
    assert queue.update_job_status(job_id, JobStatus.PENDING) is False
    assert queue.get_job(job_id).status is JobStatus.COMPLETED
