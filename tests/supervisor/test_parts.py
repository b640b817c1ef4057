"""The parts that need no process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from faciliter_jobs.errors import InvalidArgumentError
from faciliter_jobs.supervisor import beat, memory
from faciliter_jobs.supervisor.backoff import RAN_WELL, Backoff


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
