"""deploy/: what it says fits the command line, and the timeouts fit each other."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from faciliter_jobs.cli.app import app
from faciliter_jobs.supervisor.beat import GRACE
from faciliter_jobs.supervisor.memory import parse_size
from tests.supervisor.running import ROOT

DEPLOY = ROOT / "deploy"
BY_FORCE = GRACE + 1  # seconds between --shutdown-timeout and the last signal


def _unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "faciliter-jobs.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def _compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def _pod() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text())["spec"]["template"]["spec"]


def _seconds(text: object) -> float:
    return float(str(text).removesuffix("s"))


COMMANDS = {
    "systemd": (shlex.split(_unit()["ExecStart"][0]), _seconds(_unit()["TimeoutStopSec"][0])),
    "compose": (_compose()["workers"]["command"], _seconds(_compose()["workers"]["stop_grace_period"])),
    "kubernetes": (_pod()["containers"][0]["args"], float(_pod()["terminationGracePeriodSeconds"])),
}


def _options(command: list[str]) -> dict[str, Any]:
    """As the command line itself takes them; fails on one that there isn't."""
    program, subcommand, *rest = command
    assert Path(program).name == "faciliter-jobs" and subcommand == "worker"
    worker = get_command(app).commands["worker"]
    return worker.make_context("worker", list(rest), resilient_parsing=False).params


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_is_one_that_there_is_and_is_given_time_to_stop(name):
    command, time_to_stop = COMMANDS[name]
    options = _options(command)
    assert options["target"] == "app.jobs:worker" and options["processes"] > 1
    assert options["shutdown_timeout"] + BY_FORCE < time_to_stop


def test_systemd_takes_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "faciliter-jobs.service"
    # The program and the user are the reader's; here some that exist.
    text = (DEPLOY / unit.name).read_text().replace("/srv/app/.venv/bin/faciliter-jobs", "/bin/true")
    unit.write_text(
        text.replace("User=app", "User=root").replace("WorkingDirectory=/srv/app", "WorkingDirectory=/")
    )
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
    )
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert about_it == [] and done.returncode == 0, done.stderr


def test_the_unit_is_told_what_it_waits_for():
    unit = _unit()
    assert unit["Type"] == ["notify"] and float(unit["WatchdogSec"][0]) >= 10
    assert unit["KillMode"] == ["mixed"]  # SIGTERM to the supervisor alone
    assert "-HUP" in unit["ExecReload"][0]


def test_the_probes_ask_for_what_is_served():
    container = _pod()["containers"][0]
    options = _options(container["args"])
    assert options["health_host"] == "0.0.0.0"
    assert container["ports"][0]["containerPort"] == options["health_port"]
    paths = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness", "startup")
    }
    assert paths == {"liveness": "/livez", "readiness": "/readyz", "startup": "/livez"}
    service = _compose()["workers"]
    assert f":{_options(service['command'])['health_port']}/readyz" in service["healthcheck"]["test"][-1]


def test_the_pod_has_memory_for_a_worker_more_than_it_runs():
    container = _pod()["containers"][0]
    options = _options(container["args"])
    each = parse_size(options["max_memory_per_child"], "")
    assert parse_size(container["resources"]["limits"]["memory"], "") > (options["processes"] + 1) * each


def test_the_server_of_the_compose_file_loses_nothing_on_purpose():
    command = _compose()["valkey"]["command"]
    told = dict(zip(command[1::2], command[2::2]))
    assert told == {"--appendonly": "yes", "--appendfsync": "everysec", "--maxmemory-policy": "noeviction"}


def test_docker_and_kubectl_take_the_files_when_they_are_there():
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    done = subprocess.run(
        [docker, "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "APP_IMAGE": "app:1", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
