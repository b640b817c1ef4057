"""The command line, called as its entry point is."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from faciliter_jobs import JobConfig
from faciliter_jobs.cli.__main__ import main


@dataclass
class Said:
    code: int
    out: str
    err: str


def _variables(config: JobConfig) -> dict[str, str]:
    """The environment that leads to a queue."""
    if config.unix_socket:
        place = {"JOB_QUEUE_URL": config.location}
    else:
        place = {"JOB_QUEUE_HOST": config.host, "JOB_QUEUE_PORT": str(config.port)}
        place["JOB_QUEUE_DB"] = str(config.db)
        place.update(
            {"JOB_QUEUE_USERNAME": config.username or "", "JOB_QUEUE_PASSWORD": config.password or ""}
        )
    return {**place, "JOB_QUEUE_PREFIX": config.prefix}


@pytest.fixture
def bare_environment(monkeypatch):
    """Nothing says where a queue is."""
    for name in list(os.environ):
        if name.startswith(("JOB_QUEUE_", "REDIS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def run(bare_environment, capsys):
    def call(*arguments: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def cli(run, queue, monkeypatch):
    """run("list"), on the queue of the fixture `queue`."""
    for name, value in _variables(queue.config).items():
        monkeypatch.setenv(name, value)
    return run
