"""Work by hand: jobs that are claimed by get_pending_job and ended by their caller."""

from __future__ import annotations

import pytest

from faciliter_jobs import JobStatus, keys
from faciliter_jobs.errors import EncryptionError, UndecodableError
from tests.support.server import client_of

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
