"""Workers that die, hang or can't be started, and a supervisor that is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue
from faciliter_jobs.supervisor import beat
from tests.supervisor.running import ROOT, environment, lives
from tests.support.wait import until


def _entered(queue, job_id):
    return int(until(lambda: queue.get_job(job_id).progress_message or "", 30).split()[1])


def _completed(queue, *job_ids):
    return all(queue.get_job(job_id).status is JobStatus.COMPLETED for job_id in job_ids)


def test_a_killed_worker_is_replaced_and_its_job_goes_on_at_once(queue, run):
    """LESSONS 2, 14, 20: long before its lease has passed; its error says how the worker died."""
    running = run("--processes", "2", APP_LEASE="600").ready()
    job_id = queue.submit_job("first_run_hangs")
    victim = _entered(queue, job_id)
    until(lambda: any(worker["active"] for worker in running.health()["workers"]))
    os.kill(victim, signal.SIGKILL)
    running.said(
        rf"worker \d \(pid {victim}\) was killed by SIGKILL after .* s and 0 jobs, 1 running "
        r"\(max RSS \d+ MB; not by the supervisor: perhaps out of memory\); a new one starts in 0\.\d s"
    )
    until(lambda: _completed(queue, job_id), 30)
    running.ready()
    assert victim not in running.pids() and len(running.pids()) == 2
    assert running.health()["restarts"] == 1
    job = queue.get_job(job_id)
    assert job.attempt == 2 and queue.doctor() == []
    assert re.fullmatch(
        rf"worker lost: .*:{victim}:.* was killed by SIGKILL \(max RSS \d+ MB\) \(attempt 1\)",
        job.metadata["last_error"],
    )


def test_a_job_that_kills_its_workers_ends_as_a_dead_letter_and_the_others_go_on(queue, run):
    """LESSONS 19, 20."""
    running = run("--processes", "2").ready()
    bad = queue.submit_job("exit", max_retries=1)
    good = queue.submit_jobs([{"job_type": "count", "input_data": {"n": n}} for n in range(50)])
    until(lambda: queue.get_job(bad).status is JobStatus.FAILED and _completed(queue, *good), 30)
    assert "ended with exit code 7" in queue.get_job(bad).error
    assert len(re.findall(r"ended with exit code 7 after", running.log)) == 2
    assert queue.doctor() == []


def test_workers_of_a_killed_supervisor_end_after_their_jobs_or_give_them_back(queue, run):
    running = run("--processes", "2", "--shutdown-timeout", "3").ready()
    pids = running.pids()
    ending, endless = (queue.submit_job("sleep", {"seconds": seconds}) for seconds in (1, 600))
    assert {_entered(queue, ending), _entered(queue, endless)} == set(pids)
    running.send(signal.SIGKILL)
    until(lambda: not any(map(lives, pids)), 30)
    assert running.log.count("the supervisor is gone") == 2
    assert _completed(queue, ending)
    given_back = queue.get_job(endless)
    assert given_back.status is JobStatus.PENDING and given_back.retry_count == 0
    assert queue.stats().workers == [] and queue.doctor() == []


def test_workers_that_are_stopped_or_whose_interpreter_is_held_are_killed_and_replaced(queue, run):
    """LESSONS 9, 21."""
    running = run("--processes", "2", "--hang-timeout", "2").ready()
    victim = running.pids()[0]
    os.kill(victim, signal.SIGSTOP)
    job_id = queue.submit_job("hold_the_interpreter")
    running.said(rf"worker 1 \(pid {victim}\) hangs: it has given no sign of life for \d s; it is killed")
    running.said(rf"worker 1 \(pid {victim}\) was killed by SIGKILL .*; a new one")
    running.said("Fatal Python error: Aborted")
    running.said(r"in hold_the_interpreter")  # it shows where it stood
    running.said(r"worker 2 .* was killed by SIGABRT")
    until(lambda: _completed(queue, job_id), 30)
    assert queue.get_job(job_id).result == {"attempt": 2}
    running.ready()


def test_workers_that_lose_their_server_wait_for_it(own_server, run):
    """LESSONS 21."""
    running = run("--processes", "2", config=own_server.config).ready()
    own_server.kill()
    until(lambda: running.get("/readyz") == (503, "0 of 2 workers are ready\n"), 30)
    assert running.get("/livez")[0] == 200
    own_server.start()
    running.ready()
    assert running.health()["restarts"] == 0
    with RedisJobQueue(own_server.config) as queue:
        job_id = queue.submit_job("count")
        until(lambda: _completed(queue, job_id))


def test_a_server_that_a_startup_function_needs_is_missed_once_for_all_workers(queue, run, tmp_path):
    text = """
from faciliter_jobs.errors import QueueUnavailableError
from tests.supervisor.app import worker as make

def worker():
    made = make()
    @made.on_startup
    def look():
        raise QueueUnavailableError("can't reach another one")
    return made
"""
    running = _run_module(run, tmp_path, text, "--processes", "2")
    running.said(r"worker \d \(pid \d+\) can't reach another one; a new one starts in")
    until(lambda: running.health()["restarts"] >= 4, 30)
    assert len({line.split("]")[0] for line in re.findall(r"worker (\d) .* can't reach", running.log)}) == 1
    assert running.stop() == 0


# --- a target that can't be loaded ------------------------------------------------------------------


_ONE = ("--max-jobs-per-child", "1000")  # a supervisor with one worker


def _run_module(run, tmp_path, text, *options):
    (tmp_path / "app_of_test.py").write_text(text)
    return run(*options, target="app_of_test:worker", cwd=tmp_path, PYTHONPATH=str(ROOT))


def test_a_target_that_can_not_be_imported_ends_the_supervisor_with_its_error(run, tmp_path):
    running = _run_module(run, tmp_path, "import no_such_module", *_ONE)
    assert running.ended() == 1
    assert running.log.count("Traceback") == 1
    last = running.log.splitlines()[-1]
    assert (
        last == "error: can't load app_of_test:worker: ModuleNotFoundError: No module named 'no_such_module'"
    )


@pytest.mark.parametrize(
    ("text", "message", "usage"),
    [
        ("worker = 7", "app_of_test:worker: expected a Job", True),
        ("import sys; sys.exit('no settings')", "SystemExit: no settings", False),
        ("from faciliter_jobs import JobWorker; worker = JobWorker()", "no handler is registered", True),
        ("def worker(): return 1 / 0", "ZeroDivisionError: division by zero", False),
    ],
)
def test_a_child_tells_why_it_can_not_serve(queue, tmp_path, text, message, usage):
    (tmp_path / "app_of_test.py").write_text(text)
    (read, line), (life, held) = os.pipe(), os.pipe()
    command = [sys.executable, "-m", "faciliter_jobs.supervisor.child", "app_of_test:worker", "--slot", "1"]
    command += ["--line", str(line), "--life", str(life), "--hang-timeout", "0"]
    env = environment(queue.config) | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, cwd=tmp_path, env=env, pass_fds=(line, life)).returncode == beat.FAILED
    os.close(line)
    with os.fdopen(read, "rb") as told:
        news = [beat.decode(said) for said in told]
    for fd in (life, held):
        os.close(fd)
    (failure,) = [said for said in news if isinstance(said, beat.Failure)]
    assert failure.message.startswith(message) and failure.usage is usage
    assert ("Traceback" in failure.traceback) is not usage


def test_a_module_that_ends_its_process_ends_the_supervisor(run, tmp_path):
    running = _run_module(run, tmp_path, "import os; os._exit(9)", *_ONE)
    assert running.ended() == 1
    assert (
        running.log.splitlines()[-1]
        == "error: can't load app_of_test:worker: its process ended with exit code 9"
    )


def test_broken_code_is_never_rolled_out(queue, run, tmp_path):
    good = "from tests.supervisor.app import worker"
    running = _run_module(run, tmp_path, good, "--processes", "2").ready()
    before = running.pids()
    (tmp_path / "app_of_test.py").write_text("import no_such_module")
    running.send(signal.SIGHUP)
    running.said(r"No module named 'no_such_module'; the workers of before go on")
    running.said("ERROR roll-out given up: 2 workers run the old code")
    assert running.pids() == before
    (tmp_path / "app_of_test.py").write_text(good + "  # mended")
    running.send(signal.SIGHUP)
    until(lambda: len(running.pids()) == 2 and not set(running.pids()) & set(before), 30)
