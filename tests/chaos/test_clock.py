"""The server's clock jumps. The scripts' clock is swapped for one that the test sets, as far as that
goes; then a real server is run with a false clock, where libfaketime can do that."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue, embedded, scripts
from faciliter_jobs.scripts import Ending
from tests.support.server import ServerProcess
from tests.support.wait import until

_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


def test_a_jump_forward_past_the_lease_gives_the_job_to_another_and_one_commit_counts(
    queue, clock, run_worker
):
    """Unless the first worker's heartbeat comes before anyone looks: then it keeps the job."""
    job_id = queue.submit_job("t")
    claim = scripts.claim(queue.tag, worker="w", lease_ms=30_000, want=1, types=["t"])
    (first,) = queue.transport.run(claim)
    clock.advance(3600)
    run_worker({"t": lambda job: {"attempt": job.attempt}})
    until(lambda: queue.get_job(job_id).status is JobStatus.COMPLETED)
    late = scripts.complete(queue.tag, job_id=job_id, token=first.token, op=first.token, result=b"\x01")
    assert queue.transport.run(late) is Ending.STALE
    assert queue.get_job(job_id).result == {"attempt": 2}
    assert queue.doctor() == []


def test_a_jump_backward_takes_nothing_from_workers_that_live(queue, clock, run_worker):
    entered, go_on = threading.Event(), threading.Event()

    def handle(job):
        entered.set()
        assert go_on.wait(20)

    run_worker({"t": handle}, lease=1)
    job_id = queue.submit_job("t")
    assert entered.wait(10)
    clock.jump_back(7200)
    until(lambda: _lease_ms(queue, job_id) < clock.now_ms + 2000)  # the heartbeat goes by the new time
    run_worker({"t": handle}, lease=1)
    go_on.set()
    until(lambda: queue.get_job(job_id).status is JobStatus.COMPLETED)
    assert queue.get_job(job_id).attempt == 1
    assert queue.doctor() == []


def test_after_a_jump_backward_new_jobs_run_at_once_and_delayed_ones_at_their_time(queue, clock, run_worker):
    clock.jump_back(7200)
    done = []
    run_worker({"t": lambda job: done.append(job.input_data["n"])})
    until(lambda: queue.stats().parked == 1)
    queue.submit_job("t", {"n": 1})
    until(lambda: done == [1])
    queue.submit_job("t", {"n": 2}, delay=60)
    clock.advance(59)
    queue.submit_job("t", {"n": 3})
    until(lambda: done == [1, 3])
    clock.advance(1)
    until(lambda: done == [1, 3, 2])
    assert queue.doctor() == []


def test_a_dead_workers_job_comes_back_after_a_jump_backward_once_its_lease_passes(queue, clock, run_worker):
    """What docs/guarantees.md says of it: the lease was written in the old time."""
    assert queue.submit_job("t") and queue.get_pending_job(lease=10)
    (job,) = queue.list_jobs()
    clock.jump_back(60)
    run_worker({"t": lambda job: {}})
    clock.advance(69)
    until(lambda: queue.stats().parked == 1)
    assert queue.get_job(job.job_id).status is JobStatus.PROCESSING
    clock.advance(1.1)
    until(lambda: queue.get_job(job.job_id).status is JobStatus.COMPLETED)


def _lease_ms(queue, job_id):
    return float(queue.transport.command("ZSCORE", queue.tag + "leases", job_id) or 0)


@pytest.fixture
def false_clock(tmp_path, monkeypatch):
    """(server, set): a server whose clock is off by what was set last. Debian's redis-server can't run
    so: its jemalloc, a library of its own, and libfaketime call each other for ever. The bundled one can."""
    binary = embedded.find_bundled_binary()
    if binary is None or not _FAKETIME.exists():
        pytest.skip("needs libfaketime (Debian: faketime) and the embedded server's binary")
    offset = tmp_path / "offset"
    offset.write_text("+0")
    settings = {
        "LD_PRELOAD": str(_FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    server = ServerProcess(binary)
    for name in settings:
        monkeypatch.delenv(name)

    def set_offset(seconds):
        new = tmp_path / "new"
        new.write_text(f"{seconds:+d}")
        new.rename(offset)
        # It is read by the clock's next reading.
        until(lambda: abs(server.client().time()[0] - time.time() - seconds) < 5)

    yield server, set_offset
    server.stop()


def test_a_server_whose_own_clock_jumps_to_and_fro_loses_nothing(false_clock, run_worker):
    server, set_offset = false_clock
    queue = RedisJobQueue(server.config)
    for _ in range(2):
        run_worker({"t": lambda job: time.sleep(0.002)}, job_queue=queue, lease=2, poll_interval=0.2)
    ids = []
    for offset in (0, 3600, 3, -2, 40, 0):
        set_offset(offset)
        ids += queue.submit_jobs([{"job_type": "t"} for _ in range(200)])
        time.sleep(0.1)
    until(lambda: queue.stats().counts[JobStatus.COMPLETED] == len(ids), timeout=60)
    # A record whose expiry was looked into in the later time is kept for as much longer.
    assert {problem.text for problem in queue.doctor()} <= {"its expiry is watched too late"}
    queue.close()
