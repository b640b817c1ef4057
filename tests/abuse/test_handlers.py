"""What a handler may do to its worker: the worker goes on, or dies and its jobs are recovered."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.abuse.abusers import RUNS
from tests.support.processes import config_arguments

ROOT = Path(__file__).resolve().parents[2]


class Nurse:
    """Keeps one worker process alive."""

    def __init__(self, queue):
        self.queue = queue
        self.deaths = 0
        self._start()

    def _start(self):
        command = [sys.executable, "-m", "tests.abuse.abusers", *config_arguments(self.queue.config)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def until(self, condition, timeout=60):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout} s"
            if self.process.poll() is not None:
                self.deaths += 1
                self._start()
            time.sleep(0.05)

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def nurse(queue):
    nurse = Nurse(queue)
    yield nurse
    nurse.stop()


def _abuse(queue, nurse, job_type):
    """The abuser between two others and before twenty more. Returns it when all have ended."""
    abuser = queue.submit_job(job_type)
    # The leases are short: on a busy machine one may pass though its worker lives.
    others = queue.submit_jobs([{"job_type": "count", "max_retries": 5}] * 20)
    ids = [abuser, *others]
    nurse.until(lambda: all((job := queue.get_job(i)) and job.status.is_terminal for i in ids))
    for job_id in others:
        assert queue.get_job(job_id).status.value == "completed"
    runs = {k.decode(): int(v) for k, v in _hash(queue, RUNS).items()}
    assert queue.doctor() == []
    return queue.get_job(abuser), [runs[job_id] for job_id in others]


def _hash(queue, name):
    flat = queue.transport.command("HGETALL", queue.tag + name)
    return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2]))


@pytest.mark.parametrize(
    ("job_type", "error"),
    [
        ("system_exit", "SystemExit: bye"),
        ("keyboard_interrupt", "KeyboardInterrupt"),
        ("generator_exit", "GeneratorExit"),
        ("own_base_exception", "Own: no Exception"),
        ("recurse", "RecursionError"),
        ("own_errors", "Unspeakable: <RuntimeError while its message was made>"),
    ],
)
def test_an_attempt_that_raises_anything_fails_and_the_worker_goes_on(queue, nurse, job_type, error):
    job, runs = _abuse(queue, nurse, job_type)
    assert (job.status.value, job.retry_count) == ("failed", 1)
    assert job.error.startswith(error)
    assert nurse.deaths == 0 and runs == [1] * 20


@pytest.mark.parametrize("job_type", ["leak_threads", "print_much", "change_signals", "close_stdio"])
def test_a_handler_that_leaves_a_mess_completes_and_the_worker_goes_on(queue, nurse, job_type):
    job, runs = _abuse(queue, nurse, job_type)
    assert job.status.value == "completed", job.error
    assert nurse.deaths == 0 and runs == [1] * 20


@pytest.mark.parametrize("job_type", ["fork_and_return", "fork_and_raise"])
def test_the_child_that_a_handler_forks_does_not_go_on_as_a_second_worker(queue, nurse, job_type):
    job, runs = _abuse(queue, nurse, job_type)
    assert job.status.value == "completed" and job.attempt == 1
    assert job.result["fork"] > 0, "the parent's outcome"
    assert nurse.deaths == 0 and runs == [1] * 20
    pids = {queue.get_job(i.job_id).result["pid"] for i in queue.list_jobs() if i.job_type == "count"}
    assert pids == {nurse.process.pid}


def test_a_handler_that_ends_its_process_twice_is_a_dead_letter_and_the_others_run(queue, nurse):
    """LESSONS 19."""
    job, runs = _abuse(queue, nurse, "os_exit")
    assert job.status.value == "failed" and job.error.startswith("worker lost")
    assert nurse.deaths == 2 and min(runs) >= 1


@pytest.mark.parametrize("job_type", ["close_all_files", "delete_modules"])
def test_a_handler_that_breaks_its_process_loses_no_job(queue, nurse, job_type):
    _, runs = _abuse(queue, nurse, job_type)
    assert min(runs) >= 1
