"""rediss:// against a server that speaks nothing but TLS and asks for client certificates."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from faciliter_jobs import AsyncJobQueue, JobConfig, JobStatus, RedisJobQueue, embedded, tls
from faciliter_jobs.errors import ConfigError, QueueRefusedError, QueueUnavailableError
from tests.support.blocking import BlockingQueue
from tests.support.certificates import Authority
from tests.support.server import ServerProcess
from tests.support.wait import until


def _speaks_tls(binary):
    """One that does misses its key; both end at once."""
    command = [binary, "--port", "0", "--tls-port", "1", "--tls-cert-file", "/nonexistent"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return "tls-key-file" in said.stdout + said.stderr


def _binary():
    on_path = [shutil.which(name) for name in ("redis-server", "valkey-server")]
    candidates = [*filter(None, on_path), embedded.find_bundled_binary()]
    return next((Path(c) for c in candidates if c and _speaks_tls(c)), None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "ca")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Another authority, which the server doesn't know."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def client_certificate(authority):
    return authority.issue("client")


def _start(authority, hosts, **options):
    binary = _binary()
    if binary is None:
        pytest.skip("no server here speaks TLS")
    certificate = authority.issue("server-" + hosts[0], hosts=hosts)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tls = {
        "tls-port": str(port),
        "tls-cert-file": str(certificate.file),
        "tls-key-file": str(certificate.key_file),
        "tls-ca-cert-file": str(authority.file),
        **options,
    }
    return ServerProcess(binary, **tls), port


@pytest.fixture(scope="module")
def tls_port(authority):
    process, port = _start(authority, ("127.0.0.1",))
    yield port
    process.stop()


@pytest.fixture
def good(authority, client_certificate):
    return {
        "ssl_ca_certs": str(authority.file),
        "ssl_certfile": str(client_certificate.file),
        "ssl_keyfile": str(client_certificate.key_file),
    }


@pytest.fixture
def config(tls_port, good):
    return JobConfig(
        "127.0.0.1", tls_port, ssl=True, ssl_options=good, socket_timeout=5, retry_on_timeout=False
    )


def _connect(config, kind="sync"):
    async def connect():
        async with AsyncJobQueue(config) as queue:
            return await queue.submit_job("t")

    if kind == "async":
        return asyncio.run(connect())
    with RedisJobQueue(config) as queue:
        return queue.submit_job("t")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_with_the_right_certificates_it_connects(config, kind):
    assert _connect(config, kind)
    assert config.location.startswith("rediss://127.0.0.1:")


@pytest.mark.parametrize("queue_class", [RedisJobQueue, BlockingQueue], ids=["sync", "async"])
def test_a_connection_that_was_closed_is_replaced_before_a_call_and_no_other(config, queue_class):
    """What TLS says of itself (session tickets) isn't taken for the end of the connection."""
    client = redis.Redis(config.host, config.port, ssl=True, **config.ssl_options)
    with client, queue_class(config) as queue:
        for _ in range(3):
            made = client.info("stats")["total_connections_received"]
            for _ in range(5):
                assert queue.submit_job("t") and queue.get_pending_job()
            assert client.info("stats")["total_connections_received"] <= made + 1
            client.client_kill_filter(_type="normal", skipme=True)
            until(lambda: len(client.client_list()) == 1)


def test_options_come_from_the_url(config, tls_port, good):
    query = "&".join(f"{name}={value}" for name, value in good.items())
    url = f"rediss://127.0.0.1:{tls_port}/0?{query}"
    assert _connect(JobConfig.from_url(url)) and _connect(JobConfig.from_env({"JOB_QUEUE_URL": url}))


@pytest.mark.parametrize("start", ["JOB_QUEUE", "REDIS"])
@pytest.mark.parametrize("by_url", [True, False])
def test_options_come_from_the_environment(tls_port, good, start, by_url):
    place = (
        {f"{start}_URL": f"rediss://127.0.0.1:{tls_port}"}
        if by_url
        else {f"{start}_HOST": "127.0.0.1", f"{start}_PORT": str(tls_port), f"{start}_SSL": "true"}
    )
    env = {**place, **{f"{start}_{name.upper()}": value for name, value in good.items()}}
    assert _connect(JobConfig.from_env(env))


# What is wrong -> the options that are other than the good ones, and what the error says.
WRONG = {
    "the wrong CA": (
        {"ssl_ca_certs": "stranger"},
        "CERTIFICATE_VERIFY_FAILED.*ssl_ca_certs must name the CA",
    ),
    "no CA": ({"ssl_ca_certs": None}, "CERTIFICATE_VERIFY_FAILED.*ssl_ca_certs must name the CA"),
    "no client certificate": (
        {"ssl_certfile": None, "ssl_keyfile": None},
        "the server may want a client certificate: ssl_certfile, ssl_keyfile",
    ),
    "a stranger's client certificate": (
        {"ssl_certfile": "stranger's", "ssl_keyfile": "stranger's key"},
        "may not trust this client's certificate|reset by peer",
    ),
    "the key of another certificate": ({"ssl_keyfile": "stranger's key"}, "ssl_keyfile is not the key of"),
    "a CA file that isn't there": (
        {"ssl_ca_certs": "/nope/ca.pem"},
        "ssl_ca_certs=/nope/ca.pem can't be read",
    ),
    "a key that isn't there": ({"ssl_keyfile": "/nope/key"}, "ssl_keyfile=/nope/key can't be read"),
    "a CA file that isn't PEM": ({"ssl_ca_certs": "key"}, "is not PEM"),
}


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said(config, stranger, client_certificate, wrong, kind):
    changes, said = WRONG[wrong]
    strange = stranger.issue("strange-client")
    files = {
        "stranger": stranger.file,
        "stranger's": strange.file,
        "stranger's key": strange.key_file,
        "key": client_certificate.key_file,
    }
    changed = {name: str(files.get(value, value)) if value else None for name, value in changes.items()}
    wrong_config = replace(config, ssl_options={**config.ssl_options, **changed})
    with pytest.raises(QueueUnavailableError, match=said) as raised:
        _connect(wrong_config, kind)
    assert config.location in str(raised.value)
    # What the server has against a client can only be guessed; it may be something that passes.
    assert isinstance(raised.value, QueueRefusedError) is not (" may " in said or "may not" in said)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_certificate_for_another_host_is_refused_unless_that_is_allowed(authority, config, kind):
    process, port = _start(authority, ("other.example",))
    try:
        elsewhere = replace(config, port=port)
        with pytest.raises(QueueUnavailableError, match=r"mismatch.*connect by a name that the server's"):
            _connect(elsewhere, kind)
        for relaxed in ({"ssl_check_hostname": False}, {"ssl_cert_reqs": "none", "ssl_ca_certs": None}):
            assert _connect(replace(elsewhere, ssl_options={**config.ssl_options, **relaxed}), kind)
    finally:
        process.stop()


def test_cert_reqs_none_takes_any_server(config):
    options = {**config.ssl_options, "ssl_ca_certs": None, "ssl_cert_reqs": "none"}
    assert _connect(replace(config, ssl_options=options))


def test_a_key_with_a_password_and_the_versions_that_are_allowed(authority, config):
    locked = authority.issue("locked", password=b"open-sesame")
    files = {"ssl_certfile": str(locked.file), "ssl_keyfile": str(locked.key_file)}
    options = {**config.ssl_options, **files, "ssl_password": "open-sesame", "ssl_min_version": "TLSv1.3"}
    assert _connect(replace(config, ssl_options=options))
    with pytest.raises(QueueUnavailableError, match="ssl_password does not open the key") as raised:
        _connect(replace(config, ssl_options={**options, "ssl_password": "w-r-o-n-g"}))
    assert "w-r-o-n-g" not in str(raised.value) + repr(config)


def test_plain_and_tls_ports_taken_for_each_other_end_in_a_connection_error(config, own_server):
    with pytest.raises(QueueUnavailableError, match="can't reach redis://"):
        _connect(replace(config, ssl=False, ssl_options={}))
    with socket.create_server(("127.0.0.1", 0)) as plain:
        own_server.client().config_set("protected-mode", "no")
        port = plain.getsockname()[1]
        plain.close()
        own_server.client().config_set("port", str(port))
        with pytest.raises(QueueUnavailableError, match="redis:// instead of rediss://"):
            _connect(replace(config, port=port, socket_timeout=1))


# --- a worker -------------------------------------------------------------------------------------


def test_many_jobs_are_handed_over_to_an_idle_worker_without_a_fault(config, run_worker, caplog):
    """The wait for a BLMOVE is on the socket beneath TLS: nothing may be left in the layer above it."""
    with RedisJobQueue(replace(config, prefix="tls-hand:", max_connections=4)) as queue:
        seen = []
        worker = run_worker(
            {"t": lambda job: seen.append(time.monotonic())}, job_queue=queue, poll_interval=30, retry_delay=0
        )
        until(lambda: queue.stats().parked == 1)
        waits = []
        for number in range(200):
            until(lambda: queue.stats().parked == 1)
            sent = time.monotonic()
            queue.submit_job("t", {"pad": "x" * (number * 100 % 9000)})
            until(lambda n=number: len(seen) == n + 1, every=0.0005)
            waits.append(seen[-1] - sent)
        assert sorted(waits)[len(waits) // 2] < 0.25
        assert "lost its server" not in caplog.text
        began = time.monotonic()
        worker.stop()
        until(lambda: not worker.is_running())
        assert time.monotonic() - began < 3, "a stop ends the wait at once"
        assert queue.doctor() == []


def test_a_busy_worker_runs_many_jobs_with_large_payloads(config, run_worker):
    """Replies of many TLS records (16 KB each)."""
    with RedisJobQueue(replace(config, prefix="tls-busy:")) as queue:
        ids = queue.submit_jobs(
            [{"job_type": "t", "input_data": {"n": n, "x": "x" * 3000}} for n in range(500)]
        )
        run_worker({"t": lambda job: {"n": job.input_data["n"], "x": "y" * 3000}}, job_queue=queue)
        until(lambda: queue.stats().counts[JobStatus.COMPLETED] == 500, timeout=30)
        assert [queue.get_job(job_id).result["n"] for job_id in ids[::50]] == list(range(0, 500, 50))


def test_a_running_job_is_told_of_its_cancellation(config, run_worker):
    with RedisJobQueue(replace(config, prefix="tls-tell:")) as queue:
        told = []

        def wait(job):
            until(lambda: job.cancelled, timeout=8)
            told.append(job.job_id)

        run_worker({"t": wait}, job_queue=queue, poll_interval=30)
        job_id = queue.submit_job("t")
        until(lambda: queue.get_job(job_id).status is JobStatus.PROCESSING)
        time.sleep(0.3)  # the listener has subscribed
        queue.cancel_job(job_id)
        until(lambda: told == [job_id], timeout=5)


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"ssl_colour": "red"}, r"unknown option 'ssl_colour' \(known: ssl_ca_certs"),
        ({"ca_certs": "/ca.pem"}, "unknown option 'ca_certs'"),
        ({"ssl_cert_reqs": "sometimes"}, "ssl_cert_reqs: is none of none, optional, required"),
        ({"ssl_min_version": "SSLv3"}, "ssl_min_version: is none of TLSv1.2, TLSv1.3"),
        ({"ssl_check_hostname": "perhaps"}, "ssl_check_hostname: is none of true"),
        ({"ssl_ca_certs": 7}, "ssl_ca_certs: expected a path"),
        ({"ssl_keyfile": "/key"}, "ssl_keyfile: without ssl_certfile"),
    ],
)
def test_an_option_that_can_not_be_is_named(options, named):
    with pytest.raises(ConfigError, match=named):
        JobConfig(ssl=True, ssl_options=options)


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"JOB_QUEUE_URL": "redis://h", "JOB_QUEUE_SSL_CA_CERTS": "/c"}, "JOB_QUEUE_SSL_CA_CERTS: needs TLS"),
        ({"JOB_QUEUE_HOST": "h", "JOB_QUEUE_SSL_KEYFILE": "/k"}, "JOB_QUEUE_SSL_KEYFILE: needs TLS"),
        (
            {"JOB_QUEUE_URL": "redis://h", "JOB_QUEUE_SSL": "true"},
            "JOB_QUEUE_SSL: JOB_QUEUE_URL says otherwise",
        ),
        (
            {"JOB_QUEUE_URL": "rediss://h", "JOB_QUEUE_SSL": "no"},
            "JOB_QUEUE_SSL: JOB_QUEUE_URL says otherwise",
        ),
        ({"JOB_QUEUE_URL": "redis://h?ssl_ca_certs=/c"}, "JOB_QUEUE_URL: .*need TLS"),
        *(
            ({"REDIS_URL": url, "JOB_QUEUE_SSL": said}, "JOB_QUEUE_SSL: REDIS_URL says otherwise")
            for url, said in (("redis://h", "true"), ("rediss://h", "false"))
        ),
        *(
            (
                {"JOB_QUEUE_URL": url, "JOB_QUEUE_HOST": "h", "JOB_QUEUE_SSL": said},
                "JOB_QUEUE_URL says otherwise",
            )
            for url, said in (("redis:///0", "true"), ("rediss:///0", "false"))
        ),
        ({"JOB_QUEUE_SSL": "perhaps"}, "JOB_QUEUE_SSL: expected true or false"),
        (
            {"JOB_QUEUE_URL": "rediss://h", "JOB_QUEUE_SSL_CHECK_HOSTNAME": "perhaps"},
            "JOB_QUEUE_SSL_CHECK_HOSTNAME: is none of",
        ),
        ({"REDIS_URL": "rediss://h?ssl_cert_reqs=x"}, "REDIS_URL: .*ssl_cert_reqs: is none of"),
    ],
)
def test_a_connection_is_never_plain_where_certificates_are_set_for_it(env, named):
    with pytest.raises(ConfigError, match=named):
        JobConfig.from_env(env)


def test_python_s_names_of_the_requirements_are_known():
    config = JobConfig.from_url("rediss://h?ssl_cert_reqs=CERT_NONE")
    assert tls.read(config.ssl_options) == {"ssl_cert_reqs": ssl.CERT_NONE}


def test_what_the_url_says_goes_before_the_variables():
    env = {"JOB_QUEUE_URL": "rediss://h?ssl_ca_certs=/url.pem", "JOB_QUEUE_SSL_CA_CERTS": "/variable.pem"}
    assert JobConfig.from_env(env).ssl_options["ssl_ca_certs"] == "/url.pem"


def test_another_program_s_redis_variables_don_t_disturb_a_plain_queue():
    env = {"JOB_QUEUE_URL": "redis://h", "REDIS_SSL": "true", "REDIS_SSL_CA_CERTS": "/ca.pem"}
    assert JobConfig.from_env(env).ssl is False
    assert JobConfig.from_env({"REDIS_SSL_CA_CERTS": "/ca.pem"}).ssl_options == {}
