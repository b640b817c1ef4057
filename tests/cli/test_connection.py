"""Which queue the command line and the demo choose."""

from __future__ import annotations

import socket
import threading

import pytest

from faciliter_jobs import JobConfig
from faciliter_jobs.cli import connection
from faciliter_jobs.errors import ConfigError, QueueUnavailableError


def test_the_url_goes_before_the_environment_and_the_rest_of_the_environment_holds():
    env = {"JOB_QUEUE_URL": "redis://elsewhere:1/0", "JOB_QUEUE_PREFIX": "mine:", "JOB_QUEUE_TTL": "60"}
    place = connection.find_place("redis://:secret@here:2/3", env=env)
    assert (place.how, place.config.location) == ("url", "redis://here:2/3")
    assert (place.config.prefix, place.config.default_ttl) == ("mine:", 60)
    assert "secret" not in repr(place)


def test_the_environment_goes_before_a_server_on_localhost(monkeypatch):
    monkeypatch.setattr(connection, "_answers", lambda host, port: pytest.fail("it was not to be asked"))
    place = connection.find_place(env={"REDIS_HOST": "there"}, prefix="p:")
    assert (place.how, place.config.location, place.config.prefix) == (
        "environment",
        "redis://there:6379/0",
        "p:",
    )
    assert place.environment == {"JOB_QUEUE_PREFIX": "p:"}


@pytest.mark.parametrize(("answers", "how"), [(True, "localhost"), (False, "embedded")])
def test_unconfigured_it_is_the_server_on_localhost_else_an_embedded_one(monkeypatch, answers, how):
    monkeypatch.setattr(connection, "_answers", lambda host, port: answers)
    place = connection.find_place(env={"JOB_QUEUE_PREFIX": "p:"})
    assert (place.how, place.config.prefix) == (how, "p:")
    again = JobConfig.from_env({"JOB_QUEUE_PREFIX": "p:", **place.environment})
    assert again == place.config  # another process with this environment finds the same


def test_an_empty_url_is_an_error_and_not_a_choice():
    with pytest.raises(ConfigError, match="url"):
        connection.find_place("", env={})


@pytest.mark.parametrize(
    ("greeting", "is_redis"),
    [
        (b"+PONG\r\n", True),
        (b"-NOAUTH Authentication required.\r\n", True),
        (b"HTTP/1.1 400\r\n", False),
        (b"", False),
    ],
)
def test_a_server_on_localhost_counts_when_it_speaks_redis_also_when_it_wants_a_password(greeting, is_redis):
    with socket.create_server(("localhost", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.recv(64)
                accepted.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        assert connection._answers("localhost", port) is is_redis
        thread.join()
    assert connection._answers("localhost", port) is False


@pytest.mark.parametrize("reason", ["Connection refused.", "Connection refused"])
def test_the_hint_is_a_sentence_of_its_own(monkeypatch, reason):
    def refused(config):
        raise QueueUnavailableError(reason)

    monkeypatch.setattr(connection, "create_job_queue", refused)
    with pytest.raises(QueueUnavailableError, match=r"^Connection refused\. Set JOB_QUEUE_URL to "):
        connection.connect(connection.Place("localhost", JobConfig(), {}))
