"""What can't be used is refused by a typed error that names it, before anything is written."""

from __future__ import annotations

import datetime as dt
import math
import threading
import time
from dataclasses import replace

import pytest

from faciliter_jobs import JobConfig, JobSpec, JobStatus, keys
from faciliter_jobs.errors import JobQueueError, QueueUnavailableError, SchemaError
from tests.support.server import client_of
from tests.support.waiters import until_waited_for

LONG = "x" * 600
NAIVE = dt.datetime(2030, 1, 1)

SUBMITS = [
    ({"job_type": ""}, ValueError, "job_type"),
    ({"job_type": None}, TypeError, "job_type: expected a string, got NoneType"),
    ({"job_type": LONG}, ValueError, "job_type: 600 bytes, the limit is 128"),
    ({"job_type": "a\nb"}, ValueError, "job_type: .*control characters"),
    ({"job_type": "a\ud800"}, ValueError, "job_type: .*surrogates"),
    ({"input_data": [1]}, TypeError, "input_data: expected a dict, got list"),
    ({"input_data": {"rows": [0, 1, 2, {"when": {1}}]}}, TypeError, r"input_data\.rows\[3\]\.when: set"),
    ({"input_data": {"a": object()}}, TypeError, r"input_data\.a: object"),
    ({"input_data": {"a": 2**64}}, TypeError, r"input_data\.a: integer outside 64 bits"),
    (
        {"input_data": {"a": "x" * 2**20}},
        ValueError,
        r"input_data: 1,048,58\d bytes packed, the limit is 1,048,576",
    ),
    ({"metadata": {"a": lambda: 0}}, TypeError, r"metadata\.a: function"),
    ({"company_id": 7}, TypeError, "company_id: expected a string, got int"),
    ({"company_id": ""}, ValueError, "company_id: must not be empty"),
    ({"user_id": LONG}, ValueError, "user_id: 600 bytes, the limit is 512"),
    ({"session_id": b"s"}, TypeError, "session_id: expected a string, got bytes"),
    ({"ttl": -1}, ValueError, "ttl: -1 is outside"),
    ({"ttl": 0}, ValueError, "ttl"),
    ({"ttl": True}, TypeError, "ttl: expected seconds, got bool"),
    ({"ttl": math.nan}, ValueError, "ttl: nan"),
    ({"ttl": "60"}, TypeError, "ttl: expected seconds, got str"),
    ({"job_id": ""}, ValueError, "job_id"),
    ({"job_id": "a\0b"}, ValueError, "job_id"),
    ({"delay": -0.1}, ValueError, "delay: -0.1 is outside"),
    ({"delay": 1, "run_at": 2}, ValueError, "delay, run_at: give one of them"),
    ({"run_at": NAIVE}, ValueError, "run_at: a datetime without a time zone"),
    ({"run_at": "tomorrow"}, TypeError, "run_at"),
    ({"max_retries": -1}, ValueError, "max_retries: -1 is outside"),
    ({"max_retries": 1.5}, TypeError, "max_retries: expected an integer, got float"),
    ({"retry_delay": math.inf}, ValueError, "retry_delay: inf is outside"),
]


@pytest.fixture
def queue(either_queue):
    return either_queue


def _keys(queue):
    client = client_of(queue.config)
    return {key: client.dump(key) for key in client.scan_iter(match=queue.tag + "*")}


@pytest.mark.parametrize(("wrong", "kind", "named"), SUBMITS)
def test_a_submit_names_the_argument_and_writes_nothing(queue, wrong, kind, named):
    before = _keys(queue)
    with pytest.raises(kind, match=named) as raised:
        queue.submit_job(**{"job_type": "t", **wrong})
    assert isinstance(raised.value, JobQueueError)
    assert _keys(queue) == before


@pytest.mark.parametrize(("wrong", "kind", "named"), SUBMITS)
@pytest.mark.parametrize("as_dict", [True, False])
def test_one_wrong_job_among_many_is_named_by_its_place_and_none_is_added(queue, wrong, kind, named, as_dict):
    before = _keys(queue)
    fields = {"job_type": "t", **wrong}
    many = [{"job_type": "t"}, JobSpec("t"), fields if as_dict else JobSpec(**fields)]
    with pytest.raises(kind, match=r"jobs\[2\]: " + named):
        queue.submit_jobs(many)
    assert _keys(queue) == before


@pytest.mark.parametrize(
    ("jobs", "kind", "named"),
    [
        (["t"], TypeError, r"jobs\[0\]: expected a JobSpec or a dict, got str"),
        ([{"job_type": "t", "colour": 1}], ValueError, r"jobs\[0\]: unknown field 'colour'"),
        ([{}], ValueError, r"jobs\[0\]: job_type is missing"),
        ([{"job_type": "t"}] * 10_001, ValueError, r"jobs: their number: 10001 is outside 1..10000"),
    ],
)
def test_submit_jobs_takes_a_list_of_jobs(queue, jobs, kind, named):
    with pytest.raises(kind, match=named):
        queue.submit_jobs(jobs)
    assert queue.list_jobs() == []


CALLS = {
    "get_job without an id": (lambda q, i: q.get_job(""), ValueError, "job_id"),
    "get_job of a number": (lambda q, i: q.get_job(7), TypeError, "job_id: expected a string, got int"),
    "complete with a set": (lambda q, i: q.complete_job(i, {"s": {1}}), TypeError, r"result\.s: set"),
    "complete with too much": (
        lambda q, i: q.complete_job(i, {"s": b"x" * 2**20}),
        ValueError,
        "result: .*limit is 1,048,576",
    ),
    "fail with no text": (lambda q, i: q.fail_job(i, None), TypeError, "error: expected a string"),
    "fail with a delay of no number": (
        lambda q, i: q.fail(i, "x", retry_delay="1"),
        TypeError,
        "retry_delay",
    ),
    "progress of nan": (
        lambda q, i: q.update_job_progress(i, math.nan),
        ValueError,
        "progress: is not a number",
    ),
    "progress of a text": (
        lambda q, i: q.update_job_progress(i, "50"),
        TypeError,
        "progress: expected a number",
    ),
    "a message of no text": (lambda q, i: q.update_job_progress(i, 1, 5), TypeError, "message"),
    "a status nobody knows": (
        lambda q, i: q.update_job_status(i, "done"),
        ValueError,
        "unknown status 'done'.*pending",
    ),
    "a listing of a status nobody knows": (lambda q, i: q.list_jobs("done"), ValueError, "status: unknown"),
    "a listing below nothing": (
        lambda q, i: q.list_jobs(limit=-1),
        ValueError,
        "limit: -1 is outside 0..10000",
    ),
    "a listing of too many": (lambda q, i: q.list_jobs(limit=10_001), ValueError, "limit: 10001"),
    "a listing of half a job": (lambda q, i: q.list_jobs(limit=0.5), TypeError, "limit: expected an integer"),
    "figures of nothing": (lambda q, i: q.stats(limit=0), ValueError, "limit: 0 is outside 1..10000"),
    "figures below nothing": (lambda q, i: q.stats(limit=-3), ValueError, "limit: -3 is outside"),
    "figures of too much": (lambda q, i: q.stats(limit=10**30), ValueError, "limit: a number of that size"),
    "figures of a text": (lambda q, i: q.stats(limit="x"), TypeError, "limit: expected an integer, got str"),
    "figures of a half": (lambda q, i: q.stats(limit=1.5), TypeError, "limit: expected an integer"),
    "figures of nan": (lambda q, i: q.stats(limit=math.nan), TypeError, "limit: expected an integer"),
    "figures of no limit": (lambda q, i: q.stats(limit=None), TypeError, "limit: expected an integer"),
    "figures of a truth": (lambda q, i: q.stats(limit=True), TypeError, "limit: expected an integer"),
    "a cleanup of the future": (lambda q, i: q.cleanup_old_jobs(-1), ValueError, "older_than_seconds: -1"),
    "a claim without a lease": (lambda q, i: q.get_pending_job(lease=0), ValueError, "lease"),
    "a claim of a text": (
        lambda q, i: q.get_pending_job("t"),
        TypeError,
        "job_types: expected several strings, as in a list, got str",
    ),
    "a claim of bytes": (lambda q, i: q.get_pending_job(b"t"), TypeError, "job_types: .* got bytes"),
    "a claim of nothing": (lambda q, i: q.get_pending_job(None), TypeError, "job_types: .* got NoneType"),
    "a wait for the letters of an id": (
        lambda q, i: next(iter(q.as_completed(i, 1))),
        TypeError,
        "job_ids: expected several strings, as in a list, got str",
    ),
    "a wait for a number": (lambda q, i: q.as_completed(7), TypeError, "job_ids: .* got int"),
    "a company's wait for letters": (
        lambda q, i: q.for_company("c").as_completed(i, 1),
        TypeError,
        "job_ids: .* got str",
    ),
    "a claim of a wrong type": (lambda q, i: q.get_pending_job(["", "t"]), ValueError, "job_types"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_names_the_argument_and_changes_nothing(queue, name):
    call, kind, named = CALLS[name]
    job_id = queue.submit_job("t")
    before = _keys(queue)
    with pytest.raises(kind, match=named) as raised:
        call(queue, job_id)
    assert isinstance(raised.value, JobQueueError)
    assert _keys(queue) == before


def test_the_limit_of_a_payload_is_the_config_s(make_either):
    small = make_either(max_payload_bytes=100)
    small.submit_job("t", {"a": "x" * 90})
    with pytest.raises(ValueError, match=r"input_data: 10\d bytes packed, the limit is 100"):
        small.submit_job("t", {"a": "x" * 100})


# --- servers that can't be used -------------------------------------------------------------------


def test_an_unreachable_server_is_a_connection_error_that_says_where(unused_port, queue_class):
    queue = queue_class(JobConfig(port=unused_port, socket_timeout=1, retry_on_timeout=False))
    for call in (queue.connect, queue.stats, lambda: queue.get_job("x"), lambda: queue.submit_job("t")):
        with pytest.raises(ConnectionError, match=f"127.0.0.1:{unused_port}|localhost:{unused_port}"):
            call()
    assert queue.health_check() is False


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_wrong_password_is_named_and_never_shown(own_server, queue_class):
    own_server.client().config_set("requirepass", "right")
    queue = queue_class(replace(own_server.config, password="wr0ng-secret"))
    with pytest.raises(QueueUnavailableError, match="refuses this client") as raised:
        queue.connect()
    assert "wr0ng-secret" not in str(raised.value) + repr(queue.config)
    right = queue_class(replace(own_server.config, password="right"))
    assert right.submit_job("t")
    right.close()


def test_a_replica_that_takes_no_writes_is_named(own_server, queue_class):
    queue = queue_class(replace(own_server.config, retry_on_timeout=False))
    job_id = queue.submit_job("t")
    own_server.client().replicaof("127.0.0.1", 1)
    with pytest.raises(QueueUnavailableError, match="can't write now"):
        queue.submit_job("t")
    assert queue.get_job(job_id).job_id == job_id, "it can still be read"
    own_server.client().replicaof("NO", "ONE")
    assert queue.submit_job("t")
    queue.close()


def test_a_server_that_is_busy_with_a_script_is_an_outage_that_passes(own_server, queue_class, background):
    """Somebody's slow script on a shared server: it answers BUSY to all others."""
    own_server.client().config_set("lua-time-limit", 100)
    queue = queue_class(replace(own_server.config, retry_on_timeout=False))
    job_id = queue.submit_job("t")
    waited = background(queue.wait_for_job, job_id, 20)
    until_waited_for(queue, job_id)
    slow = threading.Thread(target=lambda: own_server.client().eval(_SPINS, 0))
    slow.start()
    time.sleep(0.3)
    with pytest.raises(QueueUnavailableError, match="serves nobody now: BUSY"):
        queue.submit_job("t")
    assert queue.health_check() is False
    with pytest.raises(JobQueueError):  # unavailable, or not within the time: but nobody else is told so
        queue.wait_for_job("another", 0.5)
    slow.join()
    assert queue.complete_job(job_id)
    assert waited.result(5).status is JobStatus.COMPLETED
    queue.close()


_SPINS = """
local function now() local t = redis.call('TIME'); return t[1] + t[2] / 1e6 end
local ends = now() + 1.5
while now() < ends do end
"""


@pytest.mark.parametrize(("schema", "what_to_do"), [(1, "use another prefix"), (99, "upgrade it")])
def test_data_of_another_layout_is_refused_by_name(queue, schema, what_to_do):
    client_of(queue.config).hset(keys.meta(keys.tag(queue.config.prefix)), "schema", schema)
    with pytest.raises(SchemaError, match=f"holds data of schema {schema} .*: {what_to_do}"):
        queue.connect()
