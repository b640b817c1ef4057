"""Workers whose server is away when they start, and those for which waiting is of no use."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from faciliter_jobs import JobConfig, JobStatus, RedisJobQueue
from faciliter_jobs.keys import meta
from tests.supervisor.running import ROOT, environment
from tests.support.server import ServerProcess, free_port
from tests.support.wait import until

TARGETS = ("jobs", "made", "makes_one", "makes_one_on_the_default_queue", "Handler")
_MODULE = "tests.supervisor.targets:"
_WAITS = r"WARNING .*worker \S+ waits for its server: can't reach .*"


@pytest.fixture
def lasting_server():
    process = ServerProcess(appendonly="yes", appendfsync="always")
    yield process
    process.stop()


def _runs_a_job(config):
    with RedisJobQueue(config) as queue:
        job_id = queue.submit_job("where")
        until(lambda: queue.get_job(job_id).status is JobStatus.COMPLETED)


@pytest.mark.parametrize("target", [*TARGETS, "makes_one_on_a_queue_of_its_own"])
def test_a_worker_waits_for_a_server_that_is_away_and_says_so_once(own_server, run, target):
    own_server.kill()
    running = run(target=_MODULE + target, config=own_server.config)
    running.said(_WAITS)
    assert running.get("/livez") == (200, "ok\n")
    until(lambda: running.get("/readyz") == (503, "the server can't be reached\n"))
    time.sleep(1)  # several tries
    assert len(re.findall("WARNING|ERROR|Traceback", running.log)) == 1, running.log
    own_server.start()
    running.ready()
    running.said(r"INFO worker \S+ has found its server")
    _runs_a_job(own_server.config)
    assert running.stop() == 0


@pytest.mark.parametrize("target", ["jobs", "made", "makes_one_on_the_default_queue"])
def test_the_workers_of_a_supervisor_wait_too_and_are_not_restarted(own_server, run, target):
    own_server.kill()
    running = run("--processes", "2", target=_MODULE + target, config=own_server.config)
    until(lambda: len(re.findall(_WAITS, running.log)) == 2, 30)

    def states():
        return [worker["state"] for worker in running.health()["workers"]]

    until(lambda: states() == ["disconnected"] * 2)
    assert running.get("/readyz") == (503, "0 of 2 workers are ready\n") and running.get("/livez")[0] == 200
    own_server.start()
    running.ready()
    _runs_a_job(own_server.config)
    assert running.health()["restarts"] == 0 and "ERROR" not in running.log
    assert running.stop() == 0


@pytest.fixture
def silent_server():
    """Accepts connections, as a proxy before a server that is away may, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield JobConfig(host="127.0.0.1", port=listening.getsockname()[1])


@pytest.mark.parametrize("options", [(), ("--processes", "2"), ("--executor", "process")])
@pytest.mark.parametrize("how", ["refused", "silent"])
def test_sigterm_ends_the_wait_at_once(run, silent_server, options, how):
    config = silent_server if how == "silent" else replace(silent_server, port=free_port())
    running = run(*options, target=_MODULE + "made", config=config)
    running.said("serves where" if how == "silent" else _WAITS)
    until(lambda: running.get("/livez")[0] == 200)
    asked_at = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - asked_at < 3
    assert "Traceback" not in running.log


def _run_script(config, *, configured=True):
    code = "from tests.supervisor.targets import makes_one\nmakes_one().start()"
    env = environment(config) | {"PYTHONPATH": str(ROOT)}
    if not configured:
        env = {name: value for name, value in env.items() if not name.startswith("JOB_QUEUE_")}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
    )


def test_a_script_s_worker_waits_too(own_server):
    own_server.kill()
    with _run_script(own_server.config) as script:
        assert script.stderr is not None
        assert re.match(r"worker \S+ waits for its server: can't reach unix://", script.stderr.readline())
        own_server.start()
        _runs_a_job(own_server.config)
        script.send_signal(signal.SIGTERM)
        assert script.wait(10) == 0
        assert script.stderr.read() == ""


@pytest.mark.parametrize("options", [(), ("--processes", "2")])
def test_a_wrong_password_is_not_waited_for(own_server, run, options):
    own_server.client().config_set("requirepass", "right")
    running = run(*options, target=_MODULE + "jobs", config=replace(own_server.config, password="wrong"))
    assert running.ended() == 2
    assert re.search(r"^error: .* refuses this client: ", running.log, re.MULTILINE)
    assert "Traceback" not in running.log and "wrong" not in running.log.replace("wrong number", "")


@pytest.mark.parametrize("options", [(), ("--processes", "2")])
def test_data_of_another_schema_end_a_worker_also_one_that_has_waited(lasting_server, run, options):
    config = lasting_server.config
    queue = RedisJobQueue(config)
    queue.transport.command("HSET", meta(queue.tag), "schema", 99)
    queue.close()
    lasting_server.kill()
    running = run(*options, target=_MODULE + "made", config=config)
    running.said(_WAITS)
    lasting_server.start()
    assert running.ended() == 2
    assert re.search(r"^error: .* holds data of schema 99 .*: upgrade it$", running.log, re.MULTILINE)
    assert "Traceback" not in running.log


def test_a_module_that_itself_needs_the_server_may_be_started_again(own_server, run, tmp_path):
    """By systemd, which takes exit code 2 for the last word."""
    (tmp_path / "app_of_test.py").write_text("import faciliter_jobs; faciliter_jobs.submit_job('t')")
    own_server.kill()
    running = run(target="app_of_test:worker", cwd=tmp_path, config=own_server.config, PYTHONPATH=str(ROOT))
    assert running.ended() == 1
    assert running.log.startswith("error: can't reach ") and running.log.count("\n") == 1
