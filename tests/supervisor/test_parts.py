"""The parts that need no process."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from faciliter_jobs.errors import InvalidArgumentError
from faciliter_jobs.supervisor import beat, memory, outside
from faciliter_jobs.supervisor.backoff import RAN_WELL, Backoff
from faciliter_jobs.supervisor.settings import Settings
from faciliter_jobs.supervisor.target import make_name_unique, worker_of
from tests.support.wait import until


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("536870912", 512 << 20),
        ("512MB", 512 << 20),
        ("512 MiB", 512 << 20),
        ("512m", 512 << 20),
        ("512Mi", 512 << 20),
        ("1048576b", 1 << 20),
        ("1.5GB", 3 << 29),
        ("2048k", 2 << 20),
        (3 << 20, 3 << 20),
    ],
)
def test_a_size_is_written_as_people_do(text, size):
    assert memory.parse_size(text, "limit") == size


@pytest.mark.parametrize("text", ["", "lots", "-1MB", "512TB", "MB", "1e9", "100k", "0", "5i"])
def test_what_is_no_size_is_refused_by_name(text):
    with pytest.raises(InvalidArgumentError, match="limit"):
        memory.parse_size(text, "limit")


def test_what_a_process_has_resident_includes_what_it_started():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(input())'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        alone = memory._resident_alone
        while not (children := memory._children(process.pid)) or (alone(children[0]) or 0) < 1 << 20:
            assert process.poll() is None
        both = memory.resident(process.pid) or 0
        assert both > (alone(process.pid) or 0) and both > 4 << 20
    finally:
        process.communicate(b"end\n")
    assert memory.resident(process.pid) is None
    assert (memory.resident(os.getpid()) or 0) > 1 << 20


def test_restarts_wait_longer_each_time_up_to_half_a_minute_with_jitter():
    backoff = Backoff()
    delays = [backoff.delay_after(0.1) for _ in range(12)]
    assert 0.1 <= delays[0] <= 0.2 and 15 <= delays[-1] <= 30
    assert all(delay <= 0.2 * 2**n for n, delay in enumerate(delays))
    assert len({Backoff().delay_after(None) for _ in range(10)}) > 1


def test_a_worker_that_ran_well_for_a_while_is_replaced_soon():
    backoff = Backoff()
    for _ in range(8):
        backoff.delay_after(None)
    assert backoff.delay_after(RAN_WELL) <= 0.2


@pytest.mark.parametrize(
    "news",
    [
        beat.Beat(),
        beat.Beat(running=True, connected=True, active=3, done=10**9, turned_ago=0.25, shutdown_timeout=30.0),
        beat.Failure("target", "ValueError: \u2713\nof two lines", "Traceback\n  ...", usage=True),
    ],
)
def test_what_a_child_tells_is_one_line(news):
    line = beat.encode(news)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert beat.decode(line) == news


@pytest.fixture
def module(tmp_path, monkeypatch, default_queue):
    """MODULE:worker, a JobWorker with a name of its own."""
    name = f"app_{tmp_path.name}".replace("-", "_")
    text = (
        "from faciliter_jobs import JobWorker\nworker = JobWorker(name='w1', lease=7, shutdown_timeout=120)\n"
    )
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return f"{name}:worker"


def test_how_a_module_s_worker_runs_can_be_told_and_what_its_handlers_need_can_not(module):
    made = worker_of(module, {"concurrency": 3, "executor": "asyncio"})
    assert (made.concurrency, made.executor, made.lease, made.shutdown_timeout) == (3, "asyncio", 7, 120)
    with pytest.raises(InvalidArgumentError, match=r"--lease: .* is a JobWorker, which has its own"):
        worker_of(module, {"concurrency": 4, "lease": 5})
    with pytest.raises(InvalidArgumentError, match="concurrency"):
        worker_of(module, {"concurrency": 0})
    assert made.concurrency == 3


def test_two_processes_of_a_worker_with_a_name_have_two_names(module):
    """One would take the other's jobs for its own."""
    worker = worker_of(module, {})
    make_name_unique(worker)
    assert worker.name.startswith(f"w1:{os.getpid()}:")
    once = worker.name
    make_name_unique(worker)
    assert worker.name == once


def test_a_loop_that_stands_is_not_live_whatever_it_said_last(monkeypatch):
    """LESSONS 21."""
    monkeypatch.setattr(outside, "_STALE", 0.3)
    with outside.Outside(Settings("m:o", health_port=0)) as told:
        told.tell(outside.Report(live=True, ready=True), "")

        def status(path: str) -> int:
            try:
                with urllib.request.urlopen(told.health_address + path, timeout=5) as reply:
                    return int(reply.status)
            except urllib.error.HTTPError as error:
                return error.code

        assert (status("/livez"), status("/readyz")) == (200, 200)
        until(lambda: status("/livez") == 503)
        assert status("/readyz") == 503
        told.tell(outside.Report(live=True, ready=True), "")
        assert status("/livez") == 200
