"""Passwords and keys are in no log, no repr, no error and no traceback."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import subprocess
import sys
import traceback
from dataclasses import replace

import pytest

from faciliter_jobs import (
    AsyncJobQueue,
    JobConfig,
    JobWorker,
    RedisJobQueue,
    create_job_queue,
    get_job_queue,
    set_job_queue,
)
from faciliter_jobs.cli.connection import find_place
from faciliter_jobs.encryption import generate_key
from tests.support.clock import Clock
from tests.support.contract import Stage
from tests.support.server import client_of
from tests.support.wait import until

SECRET = "hunter2correcthorse"
KEY = generate_key("k1")


@pytest.fixture
def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]  # bound and not listening: nobody else gets it


@pytest.fixture(autouse=True)
def everything_is_logged(caplog):
    caplog.set_level(logging.DEBUG)


def _said(call, caplog):
    """All that a failing call says, in any way."""
    with pytest.raises(Exception) as raised:
        call()
    error = raised.value
    chain = "".join(traceback.format_exception(error))
    return "\n".join([chain, repr(error), str(error.__cause__), str(error.__context__), caplog.text])


def _connect(config):
    RedisJobQueue(config).connect()


def _connect_async(config):
    asyncio.run(AsyncJobQueue(config).connect())


CALLS = {
    "sync": _connect,
    "async": _connect_async,
    "submit": lambda config: RedisJobQueue(config).submit_job("t"),
    "create": lambda config: create_job_queue(config=config),
    "worker": lambda config: JobWorker(RedisJobQueue(config)).job_queue.get_job("x"),
}


@pytest.mark.parametrize("call", CALLS)
def test_of_an_unreachable_server(closed_port, caplog, call):
    config = JobConfig.from_url(f"redis://ann:{SECRET}@127.0.0.1:{closed_port}/0", retry_on_timeout=False)
    said = _said(lambda: CALLS[call](config), caplog)
    assert "can't reach" in said and SECRET not in said


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("user", [None, "ann"])
def test_of_a_server_that_refuses_the_password(own_server, caplog, call, user):
    own_server.client().config_set("requirepass", "another")
    config = replace(own_server.config, password=SECRET, username=user, retry_on_timeout=False)
    said = _said(lambda: CALLS[call](config), caplog)
    assert "refuses this client" in said and SECRET not in said


def test_of_a_worker_that_loses_its_server(own_server, run_worker, caplog):
    own_server.client().config_set("requirepass", SECRET)
    queue = RedisJobQueue(replace(own_server.config, password=SECRET, encryption_keys=[KEY]))
    seen = []
    run_worker({"t": lambda job: seen.append(job.input_data)}, job_queue=queue)
    queue.submit_job("t", {"n": 1})
    until(lambda: seen)
    own_server.kill()
    until(lambda: "lost its server" in caplog.text)
    assert SECRET not in caplog.text and KEY[3:] not in caplog.text
    queue.close()


# A password with a character that a URL must have encoded, written as it is.
PLAIN_IN_A_URL = ["/", "#", "?", "@", ":", "[", "]", " ", "%", "\\", "//", "/0/", "?db=", "\n"]


@pytest.mark.parametrize("start", ["redis://:", "rediss://ann:", "", "unix://:", "reds://:"])
def test_of_a_url_in_which_the_password_is_not_encoded(caplog, closed_port, start):
    for first, character in itertools.product(("ffffffff", "1234", ""), PLAIN_IN_A_URL):
        url = f"{start}{first}{character}ssssssss@127.0.0.1:{closed_port}/0"
        try:
            config = JobConfig.from_url(url)
        except ValueError as error:
            said = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)
        else:
            assert config.password and "ssssssss" in config.password, "not taken for something else"
            said = repr(config) + config.location
        assert "ssssssss" not in said + caplog.text and "ffffffff" not in said + caplog.text, url


def test_of_a_user_and_password_for_an_embedded_server():
    with pytest.raises(ValueError, match="url: an embedded server has no user and no password") as raised:
        JobConfig.from_url(f"embedded://ann:{SECRET}@/data")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("variable", ["HOST", "PORT", "DB", "URL", "SSL", "TTL", "SOCKET_TIMEOUT"])
@pytest.mark.parametrize("start", ["JOB_QUEUE", "REDIS"])
def test_of_a_url_that_stands_in_the_wrong_variable(caplog, start, variable):
    url = f"redis://ann:{SECRET}@h:x/0"
    said = _said(lambda: JobConfig.from_env({f"{start}_{variable}": url}), caplog)
    assert f"{start}_{variable}" in said and SECRET not in said


def test_of_reprs(make_queue):
    config = JobConfig.from_url(
        f"rediss://ann:{SECRET}@h?ssl_password={SECRET}&ssl_ca_certs=/ca.pem", encryption_keys=[KEY]
    )
    queue = RedisJobQueue(config)
    url = f"redis://ann:{SECRET}@h/0"
    things = [
        config, config.location, queue, queue.transport, queue.operations, queue.operations.codec,
        queue.operations.codec.cipher, AsyncJobQueue(config), queue.for_company("c"), find_place(url),
        queue.transport.new_connection(), JobWorker(queue),
    ]  # fmt: skip
    for thing in things:
        for text in (repr(thing), str(thing)):
            assert SECRET not in text and KEY[3:] not in text, type(thing)


def test_of_what_the_module_level_functions_say(closed_port, monkeypatch, caplog):
    monkeypatch.setenv("JOB_QUEUE_URL", f"redis://:{SECRET}@127.0.0.1:{closed_port}")
    set_job_queue(None)
    said = _said(get_job_queue, caplog)
    assert "can't reach" in said and SECRET not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "redis://:{secret}@127.0.0.1:{port}/x", "stats"],
        ["--url", "redis://:{secret}/@127.0.0.1:{port}", "list"],
        ["--url", "redis://:{secret}@127.0.0.1:{port}/0", "worker", "os:getpid"],
        ["--url", "redis://:{secret}@127.0.0.1:{port}/0", "acl", "--role", "worker"],
        ["stats"],
    ],
)
def test_of_the_command_line(closed_port, arguments):
    filled = [argument.format(secret=SECRET, port=closed_port) for argument in arguments]
    env = {
        **os.environ,
        "JOB_QUEUE_URL": f"redis://:{SECRET}@127.0.0.1:{closed_port}",
        "JOB_QUEUE_ENCRYPTION_KEYS": KEY,
        "JOB_QUEUE_SOCKET_TIMEOUT": "1",
    }
    command = [sys.executable, "-m", "faciliter_jobs.cli", *filled]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout + done.stderr and (done.returncode == 0) == ("acl" in arguments)
    assert SECRET not in done.stdout + done.stderr and KEY[3:] not in done.stdout + done.stderr


def test_of_what_the_server_keeps(make_queue):
    """What workers say of themselves, and jobs' errors, hold no setting."""
    queue = make_queue(encryption_keys=[KEY])
    stage = Stage(queue, Clock(queue))
    stage.heartbeat()
    stage.submit()
    client = client_of(queue.config)
    stored = b"".join(client.dump(key) for key in client.scan_iter(match=queue.tag + "*"))
    assert KEY[3:].encode() not in stored
