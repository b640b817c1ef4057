"""What was measured on, and which core does what."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def server_version(info: dict[str, Any]) -> tuple[str, str]:
    """("redis", "7.0.15") or ("valkey", "9.1.2"), from INFO server."""
    kind = info.get("server_name", "redis")
    return kind, str(info.get(f"{kind}_version", info.get("redis_version", "?")))


def server_line(info: dict[str, Any]) -> str:
    """Which servers are alike: `redis 7.0`."""
    kind, version = server_version(info)
    return f"{kind} {'.'.join(version.split('.')[:2])}"


def describe(server_info: dict[str, Any], server: str) -> dict[str, str]:
    kind, version = server_version(server_info)
    return {
        "cpu": cpu_model(),
        "cores": f"{os.cpu_count()} (server: {_text(server_cores())}; clients: {_text(client_cores())})",
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "redis-py": version_of("redis"),
        "hiredis": version_of("hiredis"),
        "server": f"{kind} {version}, {server}",
    }


# --- cores: one for the server, the others for the clients ----------------------------------------


def _allowed() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return []


_ALL = _allowed()  # at the start, before we pin ourselves


def server_cores() -> set[int]:
    """Empty: can't be pinned here."""
    return {_ALL[0]} if len(_ALL) > 1 else set()


def client_cores() -> set[int]:
    return set(_ALL[1:]) if len(_ALL) > 1 else set()


def _text(cores: set[int]) -> str:
    if not cores:
        return "any core"
    return ("core " if len(cores) == 1 else "cores ") + ", ".join(map(str, sorted(cores)))


def pin(pid: int, cores: set[int]) -> None:
    """Does nothing where it can't; a child inherits it."""
    if cores and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, cores)


@contextlib.contextmanager
def on_client_cores() -> Iterator[None]:
    """For what is measured."""
    pin(0, client_cores())
    try:
        yield
    finally:
        pin(0, set(_ALL))


@contextlib.contextmanager
def on_every_core() -> Iterator[None]:
    """For what isn't, within the former: an installation."""
    pin(0, set(_ALL))
    try:
        yield
    finally:
        pin(0, client_cores())
