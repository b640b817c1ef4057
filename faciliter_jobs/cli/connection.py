"""Which queue a command or the demo works on, when it may choose."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ..config import JobConfig, is_configured
from ..default import HINT, create_job_queue
from ..errors import QueueUnavailableError
from ..queue import RedisJobQueue

_PROBE_TIMEOUT = 1.0  # seconds


@dataclass(frozen=True)
class Place:
    """A queue's place, and why it is this one."""

    how: Literal["url", "environment", "localhost", "embedded"]
    config: JobConfig
    # The variables that lead another process to the same place. They may hold a password.
    environment: Mapping[str, str] = field(repr=False)


def find_place(
    url: str | None = None, prefix: str | None = None, env: Mapping[str, str] | None = None
) -> Place:
    """`url`, else what the environment names, else a server on localhost:6379, else an embedded one.

    What is given explicitly is never replaced by something else, whether it answers or not.
    Raises ConfigError.
    """
    env = os.environ if env is None else env
    how: Literal["url", "environment", "localhost", "embedded"]
    if url is not None:
        JobConfig.from_url(url)  # so that its errors say "url" and not the variable's name
        how, chosen = "url", {"JOB_QUEUE_URL": url}
    elif is_configured(env):
        how, chosen = "environment", {}
    elif _answers(JobConfig.host, JobConfig.port):
        how, chosen = "localhost", {}
    else:
        how, chosen = "embedded", {"JOB_QUEUE_URL": "embedded://"}
    config = JobConfig.from_env({**env, **chosen})
    if prefix is not None:
        config = replace(config, prefix=prefix)
        chosen["JOB_QUEUE_PREFIX"] = prefix
    return Place(how, config, chosen)


def connect(place: Place) -> RedisJobQueue:
    """Raises QueueUnavailableError, EmbeddedServerError, SchemaError."""
    try:
        return create_job_queue(config=place.config)
    except QueueUnavailableError as error:
        if place.how == "localhost":
            error.args = (str(error).rstrip(".") + HINT,)
        raise


@contextlib.contextmanager
def connected(place: Place) -> Iterator[RedisJobQueue]:
    queue = connect(place)
    try:
        yield queue
    finally:
        queue.close()


def _answers(host: str, port: int) -> bool:
    """Whether a Redis is there, also one that wants a password (then that is the error to show)."""
    try:
        with socket.create_connection((host, port), timeout=_PROBE_TIMEOUT) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(1) in (b"+", b"-")
    except OSError:
        return False
