"""Stopping, rolling, and what is printed when asked."""

from __future__ import annotations

import os
import signal

from faciliter_jobs import JobStatus
from tests.supervisor.running import lives
from tests.support.wait import until


def _entered(queue, job_id):
    """The process in which the job's handler runs."""
    said = until(lambda: queue.get_job(job_id).progress_message or "", 30)
    return int(said.split()[1])


def test_sigterm_lets_running_jobs_end_gives_back_the_rest_and_leaves_nothing_behind(queue, run, tmp_path):
    ready_file = tmp_path / "ready"
    options = ("--processes", "2", "--shutdown-timeout", "3", "--ready-file", str(ready_file))
    running = run(*options).ready()
    assert ready_file.exists()
    pids = running.pids()
    ending, endless = (queue.submit_job("sleep", {"seconds": seconds}) for seconds in (1, 600))
    assert {_entered(queue, ending), _entered(queue, endless)} == set(pids)
    running.send(signal.SIGTERM)
    until(lambda: not ready_file.exists())
    assert lives(running.pid)  # while it waits for what runs
    assert running.ended() == 0
    assert queue.get_job(ending).status is JobStatus.COMPLETED
    given_back = queue.get_job(endless)
    assert given_back.status is JobStatus.PENDING and given_back.retry_count == 0
    assert not any(map(lives, pids)) and not ready_file.exists()
    assert queue.stats().workers == [] and queue.doctor() == []


def test_a_terminals_ctrl_c_reaches_the_supervisor_alone_and_a_second_gives_jobs_back_at_once(queue, run):
    running = run("--processes", "2").ready()
    job_id = queue.submit_job("sleep", {"seconds": 600})
    pid = _entered(queue, job_id)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    running.said("SIGINT: stopping when running jobs have ended, in 30 s at most")
    assert lives(pid)
    os.killpg(running.pid, signal.SIGINT)
    assert running.ended(15) == 0
    job = queue.get_job(job_id)
    assert job.status is JobStatus.PENDING and job.retry_count == 0
    assert queue.doctor() == []


def test_sighup_replaces_all_workers_while_as_many_as_before_serve_jobs(queue, run):
    running = run("--processes", "2").ready()
    before = running.pids()
    job_id = queue.submit_job("sleep", {"seconds": 2})
    holder = _entered(queue, job_id)
    running.send(signal.SIGHUP)
    least = 2

    def replaced():
        nonlocal least
        pids = running.pids()
        least = min(least, len(pids))
        return not set(pids) & set(before) and len(pids) == 2

    until(replaced, 30)
    assert least == 2
    until(lambda: queue.get_job(job_id).status is JobStatus.COMPLETED)
    until(lambda: not any(map(lives, before)))
    assert queue.get_job(job_id).result == {"pid": holder}

    running.send(signal.SIGUSR1)
    for pid in running.pids():
        running.said(rf"worker \d \(pid {pid}\) ready, for .* s: 0 jobs done, 0 running, \d+ MB resident")
    assert running.stop() == 0


def test_a_closed_terminal_stops_it_and_does_not_roll_it(queue, run):
    """SIGHUP is what a closed terminal sends, from the system and from the shell."""
    ours, theirs = os.openpty()
    running = run("--processes", "2", stdin=theirs).ready()
    os.close(theirs)
    job_id = queue.submit_job("sleep", {"seconds": 1})
    _entered(queue, job_id)
    os.close(ours)
    running.send(signal.SIGHUP)
    running.send(signal.SIGHUP)
    assert running.ended() == 0
    assert "the terminal is gone: stopping" in running.log
    assert "are given back now" not in running.log and "replacing" not in running.log
    assert queue.get_job(job_id).status is JobStatus.COMPLETED
