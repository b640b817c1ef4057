"""A real server for tests, and queues on it that know nothing of each other."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import JobConfig
from ..embedded import ensure_server, release_server
from ..errors import EmbeddedServerError
from ..queue import RedisJobQueue

_BATCH = 1000  # keys deleted at once


@contextlib.contextmanager
def server_for_tests() -> Iterator[JobConfig]:
    """Where the tests' server is: TEST_REDIS_URL, else an embedded one that all test runs of this user
    on this machine share, keeps nothing on disk, and is stopped when the last of them ends.

    Raises EmbeddedServerError when there is no server to start.
    """
    url = os.environ.get("TEST_REDIS_URL", "")
    if url and not url.startswith("embedded:"):
        yield JobConfig.from_url(url)
        return
    home = _directory()
    config = JobConfig(unix_socket=str(ensure_server(home, durable=False)))
    try:
        yield config
    finally:
        release_server(home)


def _directory() -> Path:
    home = Path(tempfile.gettempdir()) / f"faciliter-jobs-tests-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise EmbeddedServerError(f"{home} belongs to another user")
    return home


@contextlib.contextmanager
def fresh_queue(server: JobConfig, **config: Any) -> Iterator[RedisJobQueue]:
    """A connected queue with a prefix of its own (unless `config` has one); its keys are deleted after."""
    config.setdefault("prefix", f"test-{uuid.uuid4().hex[:12]}:")
    queue = RedisJobQueue(replace(server, **config))
    queue.connect()
    try:
        yield queue
    finally:
        _delete_keys(queue)
        queue.close()


def _delete_keys(queue: RedisJobQueue) -> None:
    pattern = "".join(f"\\{c}" if c in "*?[]\\" else c for c in queue.tag) + "*"
    cursor: Any = 0
    while True:
        cursor, names = queue.transport.command("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH)
        if names:
            queue.transport.command("UNLINK", *names)
        if int(cursor) == 0:
            return
