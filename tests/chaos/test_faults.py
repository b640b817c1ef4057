"""One fault at a time, with what is to be expected of it in the test's name."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue
from faciliter_jobs.errors import QueueFullError, QueueTimeoutError, QueueUnavailableError
from tests.chaos.home import Disk, free_port
from tests.support.proxy import Proxy
from tests.support.server import client_of
from tests.support.wait import until


def _running(queue, job_id):
    """The attempt has entered its handler."""
    return until(lambda: (queue.get_job(job_id).progress_message or "").startswith("pid"), timeout=20)


def _finished(queue, job_id, timeout=20.0):
    def look():
        job = queue.get_job(job_id)
        return job if job.status.is_terminal else None

    return until(look, timeout)


def _completed(queue):
    return queue.stats().counts[JobStatus.COMPLETED]


def _runs(queue, job_id):
    return int(queue.transport.command("HGET", queue.tag + "test-runs", job_id) or 0)


def _stop(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    return process.stderr.read()


# --- workers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("survivor", ["idle", "busy"])
def test_a_dead_workers_job_runs_again_no_later_than_its_lease_and_one_poll_interval(
    queue, run_worker, start, survivor
):
    """LESSONS 16. The lease counts from its last renewal, so from the kill at most."""
    lease, poll, margin = 1.0, 0.3, 0.7  # for processes that have to wait for a core
    for _ in range(2):
        started = threading.Event()
        victim = start(lease=lease)
        job_id = queue.submit_job("first_run_hangs")
        _running(queue, job_id)
        worker = run_worker(
            {
                "first_run_hangs": lambda job, started=started: started.set(),
                "tick": lambda job: time.sleep(0.01),
            },
            lease=lease,
            poll_interval=poll,
        )
        if survivor == "busy":
            queue.submit_jobs([{"job_type": "tick"} for _ in range(300)])
        victim.kill()
        killed = time.monotonic()
        assert started.wait(lease + poll + margin), time.monotonic() - killed
        worker.stop()
    assert queue.doctor() == []


def test_a_job_handed_to_a_paused_worker_is_run_by_another_and_only_by_it(queue, start):
    paused = start(poll_interval=30)
    until(lambda: queue.stats().parked == 1)
    os.kill(paused.pid, signal.SIGSTOP)
    job_id = queue.submit_job("count")
    assert queue.get_job(job_id).status is JobStatus.PENDING
    start(poll_interval=0.2)
    job = _finished(queue, job_id)  # after the hand-off lease of 2 s
    assert job.status is JobStatus.COMPLETED and job.retry_count == 0
    os.kill(paused.pid, signal.SIGCONT)
    later = queue.submit_job("count")
    _finished(queue, later)
    assert _runs(queue, job_id) == 1
    assert _stop(paused).count("too late") == 0
    assert queue.doctor() == []


def test_a_handler_that_holds_the_gil_past_its_lease_may_run_twice_and_commits_once(queue, start):
    """LESSONS 9: the heartbeat's thread is starved."""
    greedy = start(lease=1)
    job_id = queue.submit_job("hold_gil", {"seconds": 3})
    _running(queue, job_id)
    other = start(lease=1)
    job = _finished(queue, job_id)
    assert job.result == {"attempt": 2} and _runs(queue, job_id) == 2
    assert "too late (stale)" in _stop(greedy)
    again = queue.get_job(job_id)
    assert (again.result, again.updated_at) == (job.result, job.updated_at)
    _stop(other)
    assert queue.doctor() == []


# --- producers ------------------------------------------------------------------------------------


def _produce(queue, report):
    """Submits 40 jobs a call until it is killed, and reports each call that was acknowledged."""
    number = 0
    while True:
        queue.submit_jobs([{"job_type": "t", "job_id": f"{os.getpid()}-{number}-{i}"} for i in range(40)])
        os.write(report, b"%d\n" % number)
        number += 1


def test_a_producer_killed_in_mid_call_leaves_each_call_whole_or_not_at_all(queue):
    for trial in range(6):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _produce(queue, write_end)
            finally:
                os._exit(1)
        os.close(write_end)
        until(lambda fd=read_end: os.read(fd, 8))
        time.sleep(0.003 * trial)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(read_end) as acknowledged:
            last = max((int(line) for line in acknowledged.read().split()), default=0)
        there = [
            sum(queue.get_job(f"{pid}-{number}-{i}") is not None for i in range(40))
            for number in range(last + 3)
        ]
        assert set(there[: last + 1]) == {40}, "what was acknowledged is there"
        assert there[last + 1] in (0, 40) and there[last + 2] == 0
    assert queue.doctor() == []


# --- connections ----------------------------------------------------------------------------------


def test_no_call_notices_a_storm_of_script_flushes_and_killed_connections(queue, server):
    """LESSONS 24: scripts come back by themselves; what may be sent again is."""
    stop = threading.Event()
    storms, done = [], 0

    def storm():
        client = server.client()
        while not stop.is_set():
            client.script_flush()
            client.client_kill_filter(_type="normal", skipme=True)
            storms.append(1)
            time.sleep(0.1)

    thread = threading.Thread(target=storm, daemon=True)
    thread.start()
    try:
        resending = RedisJobQueue(replace(queue.config, retry_on_timeout=True))
        while len(storms) < 8:
            n = len(storms)
            job_id = resending.submit_job("t", {"n": n})
            assert resending.get_job(job_id).input_data == {"n": n}
            assert resending.complete_job(job_id, {"n": n}) is True
            done += 1
    finally:
        stop.set()
        thread.join(10)
    assert _completed(queue) == done and queue.doctor() == []


def test_a_call_whose_scripts_are_lost_as_fast_as_they_are_loaded_finds_the_server_unavailable(
    queue, connect
):
    """Not a failed script: nothing was done, and it may be said again. Here what is loaded has another
    name than what is called."""
    calls = connect(queue.config, retry_on_timeout=False)
    calls.submit_job("t", job_id="before")
    calls.transport._shas["submit_one"] = b"f" * 40
    with pytest.raises(QueueUnavailableError, match="loses its scripts"):
        calls.submit_job("t", job_id="while")
    assert queue.get_job("while") is None


def test_a_worker_behind_a_half_open_connection_loses_its_job_and_comes_back(queue, proxy, connect, start):
    """LESSONS 23: it is never blocked for ever."""
    job_id = queue.submit_job("sleep", {"seconds": 0.5})
    cut_off = start(queue=connect(proxy.config, socket_timeout=1), lease=1)
    _running(queue, job_id)
    proxy.hold()
    other = start(lease=1)
    job = _finished(queue, job_id)
    assert job.result == {"pid": other.pid}
    _stop(other)
    proxy.release()
    proxy.cut()
    later = queue.submit_job("count")
    assert _finished(queue, later).status is JobStatus.COMPLETED
    assert _runs(queue, job_id) == 2 and queue.get_job(job_id).updated_at == job.updated_at
    assert "too late" in _stop(cut_off)
    assert queue.doctor() == []


def test_delayed_replies_slow_a_worker_down_and_change_nothing(queue, proxy, connect, start):
    ids = queue.submit_jobs([{"job_type": "count"} for _ in range(20)])
    proxy.delay(0.02)
    start(queue=connect(proxy.config), lease=1)
    until(lambda: _completed(queue) == len(ids), timeout=30)
    assert all(_runs(queue, job_id) == 1 for job_id in ids)
    assert queue.doctor() == []


# --- the server -----------------------------------------------------------------------------------


def test_what_was_acknowledged_survives_kill_9_of_a_server_with_appendfsync_always(durable, connect):
    queue = connect(durable.config, retry_on_timeout=False)
    acknowledged, stop = [], threading.Event()

    def produce():
        while not stop.is_set():
            try:
                acknowledged.append(queue.submit_job("t", {"n": len(acknowledged)}))
                if len(acknowledged) % 3 == 0:
                    queue.complete_job(acknowledged[-1], {"done": True})
            except QueueUnavailableError:
                time.sleep(0.01)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    for trial in range(3):
        enough = len(acknowledged) + 40 * (trial + 1)
        until(lambda enough=enough: len(acknowledged) > enough)
        durable.kill()
        durable.start()
    stop.set()
    thread.join(10)
    jobs = [queue.get_job(job_id) for job_id in acknowledged]
    assert None not in jobs
    assert queue.doctor() == []


def test_a_job_that_runs_while_the_server_is_killed_commits_when_it_is_back(durable, connect, run_worker):
    entered, go_on = threading.Event(), threading.Event()

    def handle(job):
        entered.set()
        assert go_on.wait(20)
        return {"attempt": job.attempt}

    queue = connect(durable.config)
    run_worker({"t": handle}, job_queue=queue, lease=30)
    job_id = queue.submit_job("t")
    assert entered.wait(10)
    durable.kill()
    go_on.set()  # the handler ends meanwhile
    time.sleep(0.5)
    durable.start()
    job = _finished(queue, job_id)
    assert job.result == {"attempt": 1} and job.retry_count == 0
    assert queue.doctor() == []


def test_a_slow_server_gives_a_timeout_and_what_is_sent_again_is_applied_once(durable, connect):
    queue = connect(durable.config)
    queue.submit_job("t", job_id="first")  # or the script would have to be loaded
    timid = connect(durable.config, socket_timeout=0.3, retry_on_timeout=False)
    patient = connect(durable.config, socket_timeout=0.6, retry_on_timeout=True)

    def sleep():
        durable.client().execute_command("DEBUG", "SLEEP", 1)

    for calls, expected in ((timid, QueueTimeoutError), (patient, None)):
        calls.connect()
        thread = threading.Thread(target=sleep)
        thread.start()
        time.sleep(0.1)
        if expected:
            with pytest.raises(expected):
                calls.submit_job("t", job_id="slow")
        else:
            assert calls.submit_job("t", job_id="slow-too") == "slow-too"
        thread.join()
    assert {job.job_id for job in queue.list_jobs()} == {"first", "slow", "slow-too"}
    assert queue.doctor() == []


def test_at_maxmemory_submits_get_queue_full_and_workers_go_on_finishing(own_server, connect, run_worker):
    """LESSONS 4."""
    queue = connect(own_server.config)
    ids = queue.submit_jobs([{"job_type": "t"} for _ in range(300)])
    ran = []
    client = own_server.client()
    client.config_set("maxmemory", client.info("memory")["used_memory"])
    with pytest.raises(QueueFullError, match="memory limit"):
        queue.submit_jobs([{"job_type": "t", "input_data": {"filler": "x" * 2000}}] * 50)
    worker = run_worker({"t": lambda job: ran.append(job.job_id)}, job_queue=queue, lease=1)
    until(lambda: _completed(queue) == len(ids), timeout=40)
    with pytest.raises(QueueFullError):
        queue.submit_job("t", {"filler": "x" * 2000})
    assert worker.is_running() and sorted(ran) == sorted(ids)
    client.config_set("maxmemory", 0)
    assert _finished(queue, queue.submit_job("t")).status is JobStatus.COMPLETED
    assert len(queue.list_jobs(limit=10_000)) == len(ids) + 1
    assert queue.doctor() == []


def test_a_read_only_server_answers_reads_refuses_writes_and_workers_wait_for_it(own_server, connect, start):
    """LESSONS 25. READONLY comes of a script as well as of a command; a worker that is parked is thrown
    out of its BLMOVE (UNBLOCKED)."""
    queue = connect(own_server.config, retry_on_timeout=False)
    worker = start(queue=queue)
    first = queue.submit_job("count")
    _finished(queue, first)
    until(lambda: queue.stats().parked == 1)
    client = own_server.client()
    client.replicaof("127.0.0.1", 1)
    with pytest.raises(QueueUnavailableError, match="can't write now"):
        queue.submit_job("count")
    assert queue.get_job(first).status is JobStatus.COMPLETED
    time.sleep(1)
    assert worker.poll() is None
    client.replicaof("NO", "ONE")
    assert _finished(queue, queue.submit_job("count")).status is JobStatus.COMPLETED
    log = _stop(worker)
    assert log.count("has lost its server") == 1 and log.count("is connected again") == 1
    assert "a call failed" not in log
    assert queue.doctor() == []


def test_a_failover_to_a_replica_that_has_everything_loses_nothing(new_server, connect, start):
    """LESSONS 24, 25: clients find the promoted replica behind the same address, with no scripts yet."""
    port = free_port()
    master, replica = new_server(port=str(port)), new_server()
    with Proxy(master.config) as proxy:
        queue = connect(proxy.config, retry_on_timeout=True)
        queue.connect()
        worker = start(queue=queue, lease=30)
        running = queue.submit_job("sleep", {"seconds": 1.5})
        _running(queue, running)
        client_of(replica.config).replicaof("127.0.0.1", port)
        until(lambda: replica.client().info("replication")["master_link_status"] == "up")
        ids = [queue.submit_job("count", {"n": n}) for n in range(30)]
        assert master.client().wait(1, 5000) in (0, 1)
        offset = master.client().info("replication")["master_repl_offset"]
        until(lambda: replica.client().info("replication")["slave_repl_offset"] >= offset)
        proxy.refuse()
        proxy.cut()
        master.kill()
        replica.client().replicaof("NO", "ONE")
        proxy.point_to(replica.config)
        proxy.accept()
        for job_id in (*ids, running):
            assert _finished(queue, job_id).status is JobStatus.COMPLETED
        assert queue.get_job(running).attempt == 1 and _runs(queue, ids[0]) == 1
        assert queue.doctor() == []
        _stop(worker)


def test_a_full_disk_refuses_writes_and_workers_report_when_there_is_room(
    tmp_path, new_server, connect, start
):
    """MISCONF: the append-only file can't be written."""
    disk = Disk(tmp_path / "disk")
    if disk.why_not is not None:
        pytest.skip(f"no small file system can be made here: {disk.why_not}")
    try:
        server = new_server(directory=disk.path, appendonly="yes", appendfsync="everysec")
        queue = connect(server.config, retry_on_timeout=False)
        job_id = queue.submit_job("sleep", {"seconds": 2})
        worker = start(queue=queue, lease=30)
        _running(queue, job_id)
        disk.fill()
        ids = []

        def refused():
            try:
                ids.append(queue.submit_job("count", {"filler": "x" * 5000}))
            except QueueUnavailableError as error:
                return str(error)
            return None

        message = until(refused, timeout=30)
        assert "can't write now" in message and "MISCONF" in message
        assert queue.get_job(job_id).status is JobStatus.PROCESSING, "reads go on"
        time.sleep(2)
        assert worker.poll() is None
        disk.make_room()
        assert _finished(queue, job_id).attempt == 1
        for other in ids:
            assert _finished(queue, other).status is JobStatus.COMPLETED
        assert queue.doctor() == []
        _stop(worker)
        server.stop()
    finally:
        disk.remove()
