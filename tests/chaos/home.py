"""The server under attack: killed and restarted, failed over, without memory or disk. Its clients find
it through a link, so that they follow a failover as they would a name that is resolved again."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from faciliter_jobs import JobConfig
from tests.support.server import ServerProcess, client_of
from tests.support.wait import until

PREFIX = "chaos:"
_BIG = "4g"
_MARGIN = 65536


def free_port() -> int:
    """Below those that outgoing connections get, which might take it while the server is down."""
    while True:
        port = random.randrange(10_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def server_options(binary: Path) -> dict[str, str]:
    """Acknowledged is durable: each write is in the log before its reply goes out."""
    options = {"appendonly": "yes", "appendfsync": "always", "repl-diskless-sync-delay": "0"}
    version = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
    if "v=6." not in version:
        options["enable-debug-command"] = "yes"
    return options


class Disk:
    """A file system of its own, in memory, whose size can be changed; a plain directory where that
    can't be made."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        directory.mkdir()
        self.why_not = self._mount()

    def _mount(self) -> str | None:
        if os.geteuid() != 0:
            return "only root can mount a small file system"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_BIG}", "tmpfs", str(self.path)],
            capture_output=True,
            text=True,
        )
        return done.stderr.strip() or None

    def fill(self) -> None:
        """Not much more fits. It can't be made smaller than it is full, and it fills meanwhile."""
        until(lambda: self._resize(str(shutil.disk_usage(self.path).used + _MARGIN)), timeout=10)

    def make_room(self) -> None:
        assert self._resize(_BIG)

    def _resize(self, size: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", f"remount,size={size}", "tmpfs", str(self.path)]
        return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0

    def remove(self) -> None:
        if self.why_not is None:
            subprocess.run(["umount", "-l", str(self.path)], check=False)
        shutil.rmtree(self.path, ignore_errors=True)


class Home:
    def __init__(self, directory: Path, binary: Path) -> None:
        self.disk = Disk(directory / "disk")
        self._link = directory / "now"
        self._binary = binary
        self._options = server_options(binary)
        self._number = 0
        self.server = self._new_server()
        self._point_link()
        self.config = JobConfig(
            unix_socket=str(self._link), prefix=PREFIX, socket_timeout=2, retry_on_timeout=True
        )

    def client(self, timeout: float = 10.0) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self._link), socket_timeout=timeout)

    def direct_config(self) -> JobConfig:
        return replace(self.server.config, prefix=PREFIX)

    def _new_server(self) -> ServerProcess:
        self._number += 1
        directory = self.disk.path / f"s{self._number}"
        directory.mkdir()
        log = self._link.with_name(f"server-{self._number}.log")
        return ServerProcess(
            self._binary, directory=directory, port=str(free_port()), logfile=str(log), **self._options
        )

    def _point_link(self) -> None:
        new = self._link.with_suffix(".new")
        new.symlink_to(self.server.socket)
        new.rename(self._link)

    # --- faults -----------------------------------------------------------------------------------

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> None:
        self.server.start()

    def become_read_only(self) -> None:
        """A replica of a master that doesn't answer."""
        self.client().replicaof("127.0.0.1", 1)

    def become_master(self) -> None:
        self.client().replicaof("NO", "ONE")

    def fail_over(self) -> None:
        """To a replica that has everything that was acknowledged: writes are paused meanwhile."""
        old, new = self.server, self._new_server()
        master, replica = client_of(old.config), client_of(new.config)
        replica.replicaof("127.0.0.1", int(old.options["port"]))
        until(lambda: _is_in_sync(replica), timeout=60, every=0.02)
        master.client_pause(10_000, all=False)
        until(lambda: _offset(master) == _offset(replica), timeout=10)
        replica.replicaof("NO", "ONE")
        self.server = new
        self._point_link()
        old.kill()
        shutil.rmtree(old.directory, ignore_errors=True)

    def limit_memory(self) -> None:
        client = self.client()
        info: Any = client.info("memory")
        client.config_set("maxmemory", info["used_memory"])

    def free_memory(self) -> None:
        self.client().config_set("maxmemory", 0)

    def fill_disk(self) -> None:
        """With appendfsync always the server would end itself; with everysec it refuses writes."""
        self.client().config_set("appendfsync", "everysec")
        self.disk.fill()

    def make_room(self) -> None:
        self.disk.make_room()
        client = self.client()
        until(lambda: _persistence(client)["aof_last_write_status"] == "ok", timeout=30, every=0.05)
        client.config_set("appendfsync", "always")
        # Redis 7.0 may have cut the half-written command off at the wrong place (seen after a failover):
        # a log that it refuses to read when it starts again. A new one is written.
        until(lambda: _starts_rewrite(client), timeout=30, every=0.05)
        until(lambda: _log_is_whole(client), timeout=60, every=0.02)

    def close(self) -> None:
        self.server.stop()
        self.disk.remove()


def _persistence(client: redis.Redis) -> Any:
    return client.info("persistence")


def _is_in_sync(replica: redis.Redis) -> bool:
    """It has the data, and its own log of them is whole."""
    info: Any = replica.info("replication")
    return info.get("master_link_status") == "up" and _log_is_whole(replica)


def _log_is_whole(client: redis.Redis) -> bool:
    log = _persistence(client)
    return (
        not log["aof_rewrite_in_progress"]
        and not log["aof_rewrite_scheduled"]
        and log["aof_last_bgrewrite_status"] == "ok"
    )


def _starts_rewrite(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.ResponseError):  # one is on its way
        client.bgrewriteaof()
        return True
    return False


def _offset(client: redis.Redis) -> int:
    info: Any = client.info("replication")
    return int(info["master_repl_offset"])
