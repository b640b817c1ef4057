"""Payloads encrypted with the clients' keys: what the server sees, rotation, wrong keys, workers."""

from __future__ import annotations

import asyncio
import base64
import random
import re
from dataclasses import replace

import pytest

from faciliter_jobs import AsyncJobQueue, JobConfig, JobStatus, RedisJobQueue
from faciliter_jobs.encryption import Cipher, generate_key, parse_keys
from faciliter_jobs.errors import (
    ConfigError,
    EncryptionError,
    JobFailedError,
    MissingKeyError,
    PayloadTooLargeError,
    UndecodableError,
)
from faciliter_jobs.scripts.compose import lua_folder
from tests.support.server import client_of
from tests.support.wait import until

OLD, NEW = generate_key("2025"), generate_key("2026")
SECRET = "IBAN DE02 1203 0000 0000 2020 51"


def _with_keys(queue, *keys):
    """Another client of the same queue."""
    return RedisJobQueue(replace(queue.config, encryption_keys=keys))


@pytest.fixture
def sealed(make_queue):
    return make_queue(encryption_keys=[NEW])


def _everything_stored(queue):
    client = client_of(queue.config)
    return b"".join(client.dump(key) + key for key in client.scan_iter(match=queue.tag + "*"))


# --- what the server sees -------------------------------------------------------------------------


def test_input_metadata_result_errors_and_messages_come_back_and_are_nowhere_readable(sealed, run_worker):
    def fail(job):
        assert job.input_data == {"text": SECRET}
        sealed.update_job_progress(job.job_id, 10, SECRET)
        raise ValueError(SECRET)

    def echo(job):
        return {"text": job.input_data["text"]}

    ids = {
        name: sealed.submit_job(name, {"text": SECRET}, "c1", metadata={"text": SECRET}, max_retries=retries)
        for name, retries in (("fail", 1), ("echo", 0))
    }
    many = sealed.submit_jobs(
        [{"job_type": "wait", "input_data": {"n": n, "text": SECRET}} for n in range(3)]
    )
    run_worker({"fail": fail, "echo": echo}, job_queue=sealed)
    until(lambda: all(sealed.get_job(i).status.is_terminal for i in ids.values()))
    failed, echoed = (sealed.get_job(ids[name]) for name in ("fail", "echo"))
    assert (failed.status, failed.error, failed.progress_message) == (
        JobStatus.FAILED, f"ValueError: {SECRET}", SECRET,
    )  # fmt: skip
    assert SECRET in failed.traceback and failed.metadata["last_error"] == failed.error
    assert failed.metadata["text"] == SECRET and failed.retry_count == 1
    assert (echoed.result, echoed.input_data) == ({"text": SECRET}, {"text": SECRET})
    assert [sealed.get_job(job_id).input_data["n"] for job_id in many] == [0, 1, 2]
    assert [job.error for job in sealed.list_jobs(JobStatus.FAILED)] == [failed.error]
    sealed.cancel(many[0], SECRET)
    sealed.fail_job(many[1], SECRET)
    sealed.complete_job(many[2], {"text": SECRET})
    assert sealed.get_job(many[0]).error == sealed.get_job(many[1]).error == SECRET
    sealed.retry_job(many[1])
    assert sealed.get_job(many[1]).metadata["last_error"] == SECRET
    stored = _everything_stored(sealed)
    assert SECRET[5:].encode() not in stored and b"DE02" not in stored
    assert sealed.doctor() == []


def test_who_waits_for_results_gets_them_decrypted(sealed, run_worker):
    def run(job):
        if job.input_data["n"] < 0:
            raise ValueError(SECRET)
        return {"twice": job.input_data["n"] * 2}

    run_worker({"t": run}, job_queue=sealed, max_retries=0)
    assert sealed.wait_for_result(sealed.submit_job("t", {"n": 21}), timeout=20) == {"twice": 42}
    assert list(sealed.map_jobs("t", [{"n": n} for n in range(5)], timeout=20)) == [
        {"twice": 2 * n} for n in range(5)
    ]
    with pytest.raises(JobFailedError, match=SECRET):
        sealed.wait_for_result(sealed.submit_job("t", {"n": -1}), timeout=20)

    async def wait():
        async with AsyncJobQueue(sealed.config) as queue:
            return await queue.wait_for_result(await queue.submit_job("t", {"n": 4}), timeout=20)

    assert asyncio.run(wait()) == {"twice": 8}
    claimed = sealed.submit_job("other", {"n": 5})

    async def claim():
        async with AsyncJobQueue(sealed.config) as queue:
            return await queue.get_pending_job(["other"])

    assert (job := asyncio.run(claim())).job_id == claimed and job.input_data == {"n": 5}


@pytest.mark.parametrize("executor", ["thread", "asyncio", "process"])
def test_every_kind_of_executor_reads_and_writes_encrypted_jobs(sealed, run_worker, executor):
    """And postpones what it has no key for."""
    foreign = _with_keys(sealed, OLD).submit_job("t", {"n": 1}, max_retries=0)
    job_id = sealed.submit_job("t", {"n": 2, "text": SECRET})
    run_worker({"t": _echo}, job_queue=sealed, executor=executor, concurrency=2, retry_delay=1)
    assert sealed.wait_for_result(job_id, timeout=30) == {"n": 2, "text": SECRET}
    until(lambda: _with_keys(sealed, OLD, NEW).get_job(foreign).metadata)
    job = _with_keys(sealed, OLD, NEW).get_job(foreign)
    assert (job.status, job.attempt) == (JobStatus.PENDING, 0)
    assert b"DE02" not in _everything_stored(sealed)


def _echo(job):
    return job.input_data


@pytest.mark.parametrize("size", [0, 1, 5, 20, 60, 63, 64, 200, 500, 513, 70_000])
def test_payloads_of_any_size_come_back(sealed, size):
    """Short ones are stored in pieces of 63 bytes."""
    job_id = sealed.submit_job("t", {"x": "x" * size}, metadata={})
    job = sealed.get_job(job_id)
    assert (job.input_data, job.metadata) == ({"x": "x" * size}, {})
    assert sealed.get_pending_job().input_data == {"x": "x" * size}


def test_the_limit_is_that_of_the_plain_payload(make_queue):
    queue = make_queue(encryption_keys=[NEW], max_payload_bytes=100)
    queue.submit_job("t", {"x": "x" * 90})
    with pytest.raises(PayloadTooLargeError, match=r"input_data: 10. bytes packed"):
        queue.submit_job("t", {"x": "x" * 100})


def test_equal_payloads_look_different_each_time(sealed):
    cipher = sealed.operations.codec.cipher
    seen = {cipher.seal(b"same", "job", "result") for _ in range(1000)}
    assert len(seen) == 1000


# --- rotation, and a mixed fleet ------------------------------------------------------------------


def test_keys_rotate(queue):
    old, new_first = _with_keys(queue, OLD), _with_keys(queue, NEW, OLD)
    first = old.submit_job("t", {"n": 1})
    second = new_first.submit_job("t", {"n": 2})
    assert [new_first.get_job(i).input_data["n"] for i in (first, second)] == [1, 2]
    assert _with_keys(queue, OLD, NEW).get_job(second).input_data == {"n": 2}
    with pytest.raises(MissingKeyError, match="input_data: is encrypted with the key '2026'"):
        old.get_job(second)


def test_plain_and_encrypted_clients_can_share_a_queue_while_keys_are_rolled_out(queue):
    sealed = _with_keys(queue, NEW)
    plain_job, sealed_job = queue.submit_job("t", {"n": 1}), sealed.submit_job("t", {"n": 2})
    assert [sealed.get_job(i).input_data["n"] for i in (plain_job, sealed_job)] == [1, 2]
    with pytest.raises(
        MissingKeyError, match="input_data: is encrypted with the key '2026', and this client has no keys"
    ):
        queue.get_job(sealed_job)


def test_what_a_failed_attempt_said_is_not_shown_as_a_ciphertext_to_a_client_without_keys(queue):
    sealed = _with_keys(queue, NEW)
    job_id = sealed.submit_job("t")
    sealed.get_pending_job()
    sealed.fail(job_id, SECRET, retry_delay=60)
    with pytest.raises(MissingKeyError):
        queue.get_job(job_id)
    assert "is encrypted with the key '2026'" in queue.list_jobs()[0].error


# --- wrong keys, and ciphertexts in wrong places --------------------------------------------------


def test_another_key_under_the_same_id_is_told_from_a_damaged_ciphertext(queue):
    job_id = _with_keys(queue, NEW).submit_job("t", {"n": 1})
    impostor = _with_keys(queue, generate_key("2026"))
    with pytest.raises(MissingKeyError, match="another key of the id '2026'"):
        impostor.get_job(job_id)


def test_a_listing_goes_on_without_the_key_and_says_why(queue):
    sealed = _with_keys(queue, NEW)
    hidden, failed = sealed.submit_job("t", {"n": 1}), sealed.submit_job("t")
    sealed.fail(failed, SECRET)
    shown = queue.submit_job("t", {"n": 2})
    jobs = {job.job_id: job for job in queue.list_jobs()}
    assert jobs[shown].input_data == {"n": 2}
    assert jobs[hidden].input_data is None and "no keys" in jobs[hidden].error
    assert jobs[failed].status is JobStatus.FAILED and "no keys" in jobs[failed].error


def _swap(queue, jobs, source, target):
    """Copies a payload, be it in pieces, as somebody with access to the server can."""
    client = client_of(queue.config)
    stored = client.hgetall(f"{queue.tag}job:{jobs[0]}")
    pieces = {target + name[len(source) :]: value for name, value in stored.items() if name[:2] == source[:2]}
    client.hset(f"{queue.tag}job:{jobs[1]}", mapping=pieces)


@pytest.mark.parametrize(("source", "target"), [(b"in", b"in"), (b"in", b"metadata"), (b"in", b"result")])
def test_a_ciphertext_can_not_be_moved_to_another_job_or_field(sealed, source, target):
    one = sealed.submit_job("t", {"pay": "ann"}, metadata={"m": 1})
    two = one if source != target else sealed.submit_job("t", {"pay": "bob"}, metadata={"m": 2})
    _swap(sealed, (one, two), source, target)
    with pytest.raises(EncryptionError, match="changed, cut, or made for another job or field") as raised:
        sealed.get_job(two)
    assert not isinstance(raised.value, MissingKeyError)


def test_no_changed_byte_goes_unnoticed():
    cipher = Cipher([NEW])
    whole = cipher.seal(b"payload", "job", "result")
    assert cipher.open(whole, "job", "result") == b"payload"
    for at in range(1, len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        with pytest.raises(EncryptionError):
            cipher.open(changed, "job", "result")
    for length in range(1, len(whole)):
        with pytest.raises(EncryptionError):
            cipher.open(whole[:length], "job", "result")


def test_random_bytes_never_open(sealed):
    rng = random.Random(7)
    cipher = sealed.operations.codec.cipher
    for _ in range(2000):
        with pytest.raises(EncryptionError):
            cipher.open(b"\xc1" + rng.randbytes(rng.randrange(80)), "job", "result")


def test_the_mark_can_be_neither_msgpack_nor_text():
    """https://github.com/msgpack/msgpack/blob/master/spec.md: 0xc1 is "never used"."""
    import msgpack

    with pytest.raises(msgpack.FormatError):
        msgpack.unpackb(b"\xc1")
    assert all(chr(c).encode()[0] != 0xC1 for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)


# --- workers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [(), (OLD,), (generate_key("2026"),)], ids=["none", "old", "wrong"])
def test_a_worker_without_the_key_leaves_the_job_to_one_that_has_it_and_costs_it_no_retry(
    queue, run_worker, keys, caplog
):
    """LESSONS 41: nor does it stop by it."""
    sealed = _with_keys(queue, NEW)
    job_id = sealed.submit_job("t", {"n": 1}, max_retries=0)
    its_queue = _with_keys(queue, *keys)
    keyless = run_worker({"t": lambda job: "wrong"}, job_queue=its_queue, retry_delay=1)
    until(lambda: sealed.get_job(job_id).metadata)
    job = sealed.get_job(job_id)
    assert (job.status, job.attempt, job.retry_count) == (JobStatus.PENDING, 0, 0)
    assert job.metadata["last_error"].startswith("MissingKeyError: input_data: is encrypted with")
    assert "is left to others" in caplog.text
    plain = queue.submit_job("t", {"n": 2})
    until(lambda: its_queue.get_job(plain).status is JobStatus.COMPLETED)
    keyless.stop()
    until(lambda: not keyless.is_running())
    run_worker({"t": lambda job: job.input_data}, job_queue=sealed)
    done = until(lambda: (job := sealed.get_job(job_id)).status is JobStatus.COMPLETED and job)
    assert (done.result, done.attempt) == ({"n": 1}, 1)
    assert sealed.doctor() == []


def test_a_damaged_ciphertext_fails_for_good(sealed, run_worker):
    """LESSONS 41: that job only."""
    job_id = sealed.submit_job("t", {"n": "x" * 600}, max_retries=5)
    other = sealed.submit_job("t", {"n": 1})
    client, key = client_of(sealed.config), f"{sealed.tag}job:{job_id}"
    client.hset(key, "in", client.hget(key, "in")[:-1] + b"?")
    run_worker({"t": lambda job: job.input_data}, job_queue=sealed)
    until(lambda: sealed.get_job(other).status is JobStatus.COMPLETED)
    (failed,) = until(lambda: sealed.list_jobs(JobStatus.FAILED))
    assert failed.job_id == job_id and failed.retry_count == 0


def test_a_claim_by_hand_without_the_key_gives_the_job_back(queue):
    sealed = _with_keys(queue, NEW)
    job_id = sealed.submit_job("t", {"n": 1})
    with pytest.raises(MissingKeyError):
        queue.get_pending_job()
    assert sealed.get_job(job_id).status is JobStatus.PENDING
    claimed = sealed.get_pending_job()
    assert (claimed.job_id, claimed.input_data, claimed.attempt) == (job_id, {"n": 1}, 1)


# --- configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        (["nokey"], "key 1 is not id:base64"),
        ([NEW, ":abc"], "key 2 is not id:base64"),
        (["a b:AAAA"], "key 1 is not id:base64"),
        (["k:*sEcReT*"], "key 1: what follows its id is not base64"),
        (["k:c0VjUmVU"], "key 1 has 6 bytes, not 32"),
        ([NEW, NEW], "two keys have the id '2026'"),
        pytest.param(NEW, "expected a list of strings", id="a string"),
        ([b"k:sEcReT"], "expected a list of strings"),
    ],
)
def test_a_key_that_can_not_be_used_is_named_and_never_shown(keys, named):
    with pytest.raises(ConfigError, match=named) as raised:
        JobConfig(encryption_keys=keys)
    shown = str(raised.value)
    assert "sEcReT" not in shown and "c0VjUmVU" not in shown and NEW.split(":")[1] not in shown


def test_keys_come_from_the_environment_and_stay_out_of_reprs():
    config = JobConfig.from_env({"JOB_QUEUE_ENCRYPTION_KEYS": f"{NEW}, {OLD},"})
    assert list(parse_keys(config.encryption_keys)) == ["2026", "2025"]
    for text in (repr(config), str(config), repr(Cipher(config.encryption_keys))):
        assert NEW.split(":")[1] not in text
    with pytest.raises(ConfigError, match="JOB_QUEUE_ENCRYPTION_KEYS: key 1"):
        JobConfig.from_env({"JOB_QUEUE_ENCRYPTION_KEYS": "nonsense"})


@pytest.mark.parametrize("text", [",", " ", "\n", " , "])
def test_a_variable_without_a_key_does_not_turn_encryption_off(text):
    """Such as "$NEW,$OLD" where both are unset."""
    with pytest.raises(ConfigError, match="JOB_QUEUE_ENCRYPTION_KEYS: expected id:base64"):
        JobConfig.from_env({"JOB_QUEUE_ENCRYPTION_KEYS": text})


def test_both_alphabets_of_base64_are_read():
    raw = b"\xfb\xff" * 16
    plain, safe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    assert plain != safe
    assert parse_keys([f"k:{plain}"]) == parse_keys([f"k:{safe}"]) == {"k": raw}


def test_an_encryption_error_is_an_undecodable_one():
    assert issubclass(MissingKeyError, EncryptionError) and issubclass(EncryptionError, UndecodableError)


# --- nothing goes round it ------------------------------------------------------------------------


def test_payloads_are_packed_and_read_by_the_queue_s_codec_only():
    """A worker that packed a result by itself would store it readable."""
    package = lua_folder().parent / "faciliter_jobs"
    for file in package.rglob("*.py"):
        if file.parent.name == "testing":
            continue  # its eager queue keeps jobs in memory
        text = file.read_text("utf-8")
        if file.name not in ("codec.py", "validate.py"):
            assert "codec.pack(" not in text.replace("self.codec.pack(", "").replace(
                "self._codec.pack(", ""
            ), file
        if file.name not in ("record.py", "codec.py"):
            assert "codec.unpack(" not in text, file
            assert not re.search(r"(claimed\S*|each|\])\.job\(\)", text), f"{file}: job(cipher)"
