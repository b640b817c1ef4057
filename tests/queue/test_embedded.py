"""The embedded server, used by real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import redis

from faciliter_jobs import JobConfig, RedisJobQueue, create_job_queue, embedded
from faciliter_jobs.errors import ConfigError, EmbeddedServerError
from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no embedded server on Windows")

# Uses the server until its stdin is closed. Its one line says which server that is.
_USER = """
import sys, redis
from faciliter_jobs.embedded import ensure_server
socket = ensure_server(sys.argv[1] or None)
info = redis.Redis(unix_socket_path=str(socket)).info("server")
print(info["run_id"], info["process_id"], socket, flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the server of a directory ('' = the default one)."""

    def __init__(self, directory: Path | str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _USER, str(directory)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._said: list[str] = []

    def _line(self) -> list[str]:
        if not self._said:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self._said = line.split(maxsplit=2)
        return self._said

    @property
    def run_id(self) -> str:
        return self._line()[0]

    @property
    def server_pid(self) -> int:
        return int(self._line()[1])

    @property
    def socket(self) -> Path:
        return Path(self._line()[2].strip())

    def leave(self) -> None:
        self.process.communicate("", timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def use(tmp_path):
    users = []

    def start(directory=tmp_path / "data", **environment):
        users.append(User(directory, **environment))
        return users[-1]

    yield start
    for user in users:
        if user.process.poll() is None:
            user.leave()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie isn't: in a container nothing may reap it.
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def _answers(socket: Path) -> bool:
    try:
        return bool(redis.Redis(unix_socket_path=str(socket)).ping())
    except redis.RedisError:
        return False


def test_two_processes_share_one_server(use):
    first, second = use(), use()
    assert first.run_id == second.run_id


def test_the_last_process_to_end_stops_the_server(use):
    first, second = use(), use()
    pid, socket = first.server_pid, second.socket
    first.leave()
    assert _answers(socket)
    second.leave()
    until(lambda: not _is_running(pid))
    assert not socket.exists()


def test_a_user_killed_with_kill_9_does_not_keep_the_server_up(use):
    killed, living = use(), use()
    pid = living.server_pid
    assert killed.run_id == living.run_id
    killed.kill()
    assert _answers(living.socket)
    living.leave()
    until(lambda: not _is_running(pid))


def test_a_server_whose_only_user_was_killed_serves_the_next_and_ends_with_it(use):
    killed = use()
    pid, run_id = killed.server_pid, killed.run_id
    killed.kill()
    following = use()
    assert following.run_id == run_id
    following.leave()
    until(lambda: not _is_running(pid))


def test_many_processes_that_start_at_once_start_one_server(use):
    users = [use() for _ in range(8)]
    assert len({user.run_id for user in users}) == 1
    assert len({user.server_pid for user in users}) == 1


def test_ctrl_c_in_the_terminal_of_one_user_leaves_the_server_to_the_others(use):
    interrupted, other = use(), use()
    assert interrupted.run_id == other.run_id
    os.killpg(interrupted.process.pid, signal.SIGINT)
    interrupted.process.communicate(timeout=20)
    assert _answers(other.socket)


def test_the_default_directory_is_that_of_the_users_data(use):
    with tempfile.TemporaryDirectory(prefix="fj-") as share:  # short: so is what a socket may be called
        user = use("", XDG_DATA_HOME=share)
        assert user.socket == Path(share) / "faciliter-jobs" / "server.sock"
        user.leave()
        assert not user.socket.exists()


_SUBMIT = """
import sys
import threading
from faciliter_jobs import JobConfig, create_job_queue
queue = create_job_queue(config=JobConfig(embedded=sys.argv[1]))
print(queue.submit_job("kept", {"n": 42}, company_id="acme"))
"""
_READ = """
import sys
import threading
from faciliter_jobs import JobConfig, create_job_queue
queue = create_job_queue(config=JobConfig(embedded=sys.argv[1]))
print(queue.get_job(sys.argv[2]).input_data, queue.doctor())
"""


def _python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_jobs_survive_from_one_run_to_the_next(tmp_path):
    job_id = _python(_SUBMIT, str(tmp_path))
    assert not (tmp_path / "server.sock").exists()  # it was stopped in between
    assert _python(_READ, str(tmp_path), job_id) == "{'n': 42} []"


def test_jobs_survive_the_kill_of_the_server_itself(use, tmp_path):
    user = use()
    job_id = _python(_SUBMIT, str(tmp_path / "data"))
    os.kill(user.server_pid, signal.SIGKILL)
    until(lambda: not _is_running(user.server_pid))
    assert _python(_READ, str(tmp_path / "data"), job_id) == "{'n': 42} []"


def test_processes_with_different_temporary_directories_share_one_server_whatever_its_path(use, tmp_path):
    """Two servers on one append-only file would run jobs twice and lose others."""
    directory = tmp_path / ("p" * 60) / ("q" * 60)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        users = [use(directory, TMPDIR=temporary) for temporary in (one, other)]
        assert users[0].run_id == users[1].run_id
        pid = users[0].server_pid
        for user in users:
            user.leave()
        until(lambda: not _is_running(pid))


def test_a_path_too_long_for_a_socket_works(tmp_path):
    long = tmp_path / ("d" * 120) / ("e" * 120)
    job_id = _python(_SUBMIT, str(long))
    assert _python(_READ, str(long), job_id) == "{'n': 42} []"


def test_a_forked_child_that_ends_leaves_the_server_to_its_parent(tmp_path):
    code = """
import os, sys
from faciliter_jobs import JobConfig, create_job_queue
queue = create_job_queue(config=JobConfig(embedded=sys.argv[1]))
if os.fork() == 0:
    queue.submit_job("by the child")
    sys.exit(0)
os.wait()
print(queue.list_jobs()[0].job_type)
"""
    assert _python(code, str(tmp_path)) == "by the child"
    assert not (tmp_path / "server.sock").exists()


def test_the_data_can_be_read_by_its_owner_only(use, tmp_path):
    user = use()
    assert user.socket.stat().st_mode & 0o077 == 0
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_nor_in_a_directory_that_others_may_read(use, tmp_path):
    directory = tmp_path / "data"
    directory.mkdir(mode=0o755)
    with redis.Redis(unix_socket_path=str(use().socket)) as client:
        client.set("k", "secret")
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert {"start.lock", "users.lock"} <= {path.name for path in files} and len(files) > 3
    assert [path.name for path in files if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("directory", ["file", "file/below"])
def test_a_directory_that_can_not_be_used_is_named(tmp_path, directory):
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match=f"{tmp_path / directory} can't be used"):
        create_job_queue(config=JobConfig(embedded=str(tmp_path / directory)))


def test_release_stops_a_server_that_nobody_else_uses(tmp_path):
    queue = create_job_queue(config=JobConfig.from_url(f"embedded://{tmp_path}"))
    assert queue.health_check()
    queue.close()
    embedded.release_server(tmp_path)
    assert not (tmp_path / "server.sock").exists()
    embedded.release_server(tmp_path)  # nothing is left to do


def test_a_queue_made_without_create_job_queue_says_how_it_is_started():
    with pytest.raises(ConfigError, match="create_job_queue"):
        RedisJobQueue(JobConfig(embedded=""))


def test_without_a_server_to_start_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "find_bundled_binary", lambda: None)
    with pytest.raises(EmbeddedServerError, match=r"pip install 'faciliter-jobs\[embedded\]'"):
        embedded.ensure_server(tmp_path / "data")


def test_a_server_on_path_that_is_too_old_is_passed_over(tmp_path, monkeypatch):
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=00000000:0 malloc=libc bits=64'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded, "find_bundled_binary", lambda: Path("/of/the/package"))
    assert embedded.find_binary() == Path("/of/the/package")


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path):
    _python(_SUBMIT, str(tmp_path))
    for file in tmp_path.rglob("*.aof"):
        file.write_bytes(b"this is no append-only file\r\n" * 20)
    with pytest.raises(EmbeddedServerError) as raised:
        embedded.ensure_server(tmp_path)
    assert "did not start; the end of its log:" in str(raised.value)
    assert "Bad file format" in str(raised.value)


def test_a_default_directory_behind_a_symbolic_link_is_the_same_directory(use, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    behind = use("", XDG_DATA_HOME=str(tmp_path / "link"))
    direct = use("", XDG_DATA_HOME=str(tmp_path / "real"))
    assert behind.run_id == direct.run_id
    pid = behind.server_pid
    direct.leave()
    behind.leave()
    until(lambda: not _is_running(pid))


def test_a_server_that_is_busy_is_waited_for_and_no_second_one_started(use, tmp_path):
    """Two servers on one append-only file would ruin it."""
    first = use()
    client = redis.Redis(unix_socket_path=str(first.socket), socket_timeout=30)
    busy = "local t = redis.call('TIME')[1] while redis.call('TIME')[1] - t < 7 do end"
    thread = threading.Thread(target=lambda: client.eval(busy, 0))
    thread.start()
    second = use()
    assert second.run_id == first.run_id
    thread.join()
