"""What others are told: health endpoints, the ready file, systemd."""

from __future__ import annotations

import socket

import pytest

from faciliter_jobs.cli.__main__ import main
from tests.supervisor.running import APP, environment
from tests.support.wait import until


def test_one_process_answers_probes_too(own_server, run, tmp_path):
    ready_file = tmp_path / "ready"
    ready_file.write_text("of a run that was killed")
    running = run("--ready-file", str(ready_file), config=own_server.config).ready()
    assert ready_file.read_text() == f"{running.pid}\n"
    assert running.get("/livez") == (200, "ok\n")
    told = running.health()
    assert (told["live"], told["ready"], told["active"]) == (True, True, 0)
    assert running.get("/elsewhere")[0] == 404
    own_server.kill()
    until(lambda: running.get("/readyz") == (503, "the server can't be reached\n"), 30)
    assert running.get("/livez")[0] == 200 and not ready_file.exists()
    own_server.start()
    running.ready()
    assert running.stop() == 0 and not ready_file.exists()


def test_a_supervisor_tells_systemd(run, tmp_path):
    address = tmp_path / "notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(30)
        env = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "600000"}
        running = run("--processes", "2", **env)
        heard = []
        while heard.count("WATCHDOG=1") < 4 or "READY=1" not in heard:
            heard.append(systemd.recv(1000).decode())
        assert heard.index("WATCHDOG=1") < heard.index("READY=1")
        assert running.stop() == 0
        while heard[-1] != "STOPPING=1":
            heard.append(systemd.recv(1000).decode())


def test_what_can_not_be_done_is_refused_before_anything_starts(queue, tmp_path, capfd, monkeypatch):
    for name, value in environment(queue.config).items():
        monkeypatch.setenv(name, value)

    def refused(*options: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["worker", APP, *options])
        said = capfd.readouterr().err
        assert ended.value.code == 2 and said.count("\n") == 1, said
        return said

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--processes", "2", "--health-port", str(port))
        assert f"--health-port: can't listen on 127.0.0.1:{port}" in said
        folder = str(tmp_path / "no" / "such" / "folder")
        assert "--ready-file" in refused("--processes", "2", "--ready-file", folder)
    assert "--max-jobs" in refused("--processes", "2", "--max-jobs", "3")
    assert "--processes" in refused("--processes", "0")
    assert "--max-memory-per-child" in refused("--max-memory-per-child", "lots")
