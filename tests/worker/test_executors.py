"""Several jobs at once: in threads, in processes, on an event loop."""

from __future__ import annotations

import asyncio
import builtins
import importlib.util
import os
import signal
import sys
import threading
import time

import pytest

from faciliter_jobs import (
    InvalidArgumentError,
    InvalidTypeError,
    JobHandler,
    JobStatus,
    JobWorker,
    complete_job,
    update_job_progress,
)
from tests.support.wait import until


def _all_done(queue, number, timeout=30.0):
    until(lambda: queue.stats().counts[JobStatus.COMPLETED] == number, timeout)


def test_jobs_run_at_the_same_time(queue, run_worker, executor, looks):
    """Each waits for the other: one after the other neither would end."""
    ids = [queue.submit_job("t", {"other": other}, job_id=own) for own, other in (("a", "b"), ("b", "a"))]

    def handle(job):
        update_job_progress(job.job_id, 1, "here")
        until(lambda: queue.get_job(job.input_data["other"]).progress_message)
        return {"pid": os.getpid()}

    run_worker({"t": handle}, executor=executor, concurrency=2)
    pids = {looks.finished(job_id).result["pid"] for job_id in ids}
    if executor == "process":
        assert len(pids) == 2 and os.getpid() not in pids
    else:
        assert pids == {os.getpid()}


def test_async_handlers_run_at_the_same_time_on_one_event_loop(queue, run_worker):
    loops, both = set(), asyncio.Barrier(2) if sys.version_info >= (3, 11) else None

    async def handle(job):
        loops.add((threading.get_ident(), id(asyncio.get_running_loop())))
        if both is not None:
            await both.wait()
        return {}

    queue.submit_jobs([{"job_type": "t"}] * 10)
    run_worker({"t": handle}, executor="asyncio", concurrency=2)
    _all_done(queue, 10)
    assert len(loops) == 1


@pytest.mark.parametrize("concurrency", [1, 3])
def test_async_handlers_run_under_every_executor(queue, run_worker, executor, concurrency, looks):
    async def function(job):
        await asyncio.sleep(0.001)
        assert await asyncio.to_thread(update_job_progress, job.job_id, 7)
        return {"n": job.input_data["n"]}

    class Own(JobHandler):
        async def handle(self, job):
            return await function(job)

    worker = JobWorker(queue, executor=executor, concurrency=concurrency)
    worker.register_function_handler("function", function)
    worker.register_handler(Own())
    ids = [queue.submit_job(t, {"n": n}) for n, t in enumerate(("function", "own", "function", "own"))]
    worker.start(max_jobs=4)
    assert [queue.get_job_result(job_id) for job_id in ids] == [{"n": n} for n in range(4)]
    assert queue.doctor() == []


def test_everything_is_run_once_and_nothing_is_left(queue, run_worker, executor):
    runs = queue.tag + "test-runs"

    def handle(job):
        queue.transport.command("HINCRBY", runs, job.job_id, 1)
        if job.input_data["n"] % 10 == 0 and job.attempt == 1:
            raise ValueError("once more")
        return {}

    ids = queue.submit_jobs({"job_type": "t", "input_data": {"n": n}} for n in range(200))
    run_worker({"t": handle}, executor=executor, concurrency=4, retry_delay=0)
    for n in range(50):  # handed over, one by one
        ids.append(queue.submit_job("t", {"n": n}))
    _all_done(queue, 250)
    flat = queue.transport.command("HGETALL", runs)
    counts = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2]))
    assert sum(int(count) for count in counts.values()) == 250 + 25
    assert queue.doctor() == []


def test_no_more_jobs_are_claimed_than_there_are_free_slots(queue, run_worker, executor):
    queue.submit_jobs([{"job_type": "t"}] * 10)
    release = queue.tag + "test-release"

    def handle(job):
        until(lambda: queue.transport.command("EXISTS", release))
        return {}

    worker = run_worker({"t": handle}, executor=executor, concurrency=3)
    until(lambda: worker.health().active == 3)
    time.sleep(0.2)
    assert queue.stats().counts[JobStatus.PROCESSING] == 3
    queue.transport.command("SET", release, 1)
    _all_done(queue, 10)


def test_a_result_is_reported_while_the_loop_waits_for_work(queue, run_worker, executor, looks):
    """The loop is parked for a minute: another thread reports."""

    def handle(job):
        time.sleep(0.3)
        return {}

    worker = run_worker({"t": handle}, executor=executor, concurrency=2, poll_interval=60)
    until(lambda: queue.stats().parked == 1)
    began = time.monotonic()
    assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED
    assert time.monotonic() - began < 10
    until(lambda: worker.health().active == 0)


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration"])
def test_no_exception_of_a_handler_ends_the_worker(queue, run_worker, executor, error, looks):
    def handle(job):
        if job.input_data:
            raise getattr(builtins, error)
        return {}

    poisoned = queue.submit_job("t", {"poison": True}, max_retries=0)
    run_worker({"t": handle}, executor=executor, concurrency=2)
    assert looks.finished(poisoned).error.startswith(error)
    assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED


def test_endless_recursion_fails_the_job_only(queue, run_worker, executor, looks):
    def handle(job):
        return handle(job)

    run_worker({"t": handle, "u": lambda job: {}}, executor=executor, concurrency=2)
    assert looks.finished(queue.submit_job("t", max_retries=0)).error.startswith("RecursionError")
    assert looks.finished(queue.submit_job("u")).status is JobStatus.COMPLETED


@pytest.mark.parametrize("where", [("thread", 1), ("thread", 2), ("process", 1), ("asyncio", 2)])
def test_a_handler_that_forks_makes_no_second_worker(queue, run_worker, where, looks):
    """Its child returns into the worker's code: there it ends, with the status that it would have had."""

    def handle(job):
        pid = os.fork()
        if pid == 0:
            raise SystemExit(7)
        _, status = os.waitpid(pid, 0)
        return {"child": os.waitstatus_to_exitcode(status)}

    run_worker({"t": handle}, executor=where[0], concurrency=where[1])
    for _ in range(3):
        assert looks.finished(queue.submit_job("t")).result == {"child": 7}
    assert queue.doctor() == []


@pytest.mark.parametrize("where", [("thread", 1), ("thread", 2), ("asyncio", 2)])
def test_a_process_that_a_handler_forks_may_report_progress(queue, run_worker, where, looks):
    """A handler of what was handed over begins with a reply still to come, which is the worker's."""

    def handle(job):
        pid = os.fork()
        if pid == 0:
            for n in range(20):
                queue.update_job_progress(job.job_id, n)
            os._exit(0)
        os.waitpid(pid, 0)
        return {}

    worker = run_worker({"t": handle}, executor=where[0], concurrency=where[1])
    for _ in range(5):
        until(lambda: queue.stats().parked)
        began = time.monotonic()
        job = looks.finished(queue.submit_job("t"))
        assert (job.status, job.progress, job.attempt) == (JobStatus.COMPLETED, 100, 1)
        assert time.monotonic() - began < 3
    assert worker.health().connected
    assert [t.name for t in threading.enumerate() if t.name.startswith("heartbeat")]


@pytest.mark.parametrize("where", [("thread", 2), ("process", 1)])
def test_a_process_that_a_handler_forks_can_be_ended_by_sigterm(queue, run_worker, where, looks):
    def handle(job):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        os.kill(pid, signal.SIGTERM)
        if where[0] == "process":  # there SIGTERM is the worker's to send
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return {}

    run_worker({"t": handle}, executor=where[0], concurrency=where[1])
    assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED


def test_a_handler_may_start_threads_that_outlive_it(queue, run_worker, executor, looks):
    def handle(job):
        threading.Thread(target=time.sleep, args=(0.3,)).start()
        return {}

    run_worker({"t": handle}, executor=executor, concurrency=2)
    for _ in range(3):
        assert looks.finished(queue.submit_job("t")).status is JobStatus.COMPLETED


def test_within_a_handler_the_calls_carry_its_token(queue, run_worker, executor, looks):
    def handle(job):
        assert queue.update_job_progress(job.job_id, 40, "half")
        other = queue.submit_job("other")
        assert complete_job(job.job_id, {"by": "handler", "other": other})
        assert not update_job_progress(job.job_id, 50)
        return {"by": "return"}

    run_worker({"t": handle}, executor=executor, concurrency=2)
    job = looks.finished(queue.submit_job("t"))
    assert job.result["by"] == "handler" and queue.get_job(job.result["other"]) is not None


def test_max_jobs_counts_across_the_slots(queue, executor):
    ids = queue.submit_jobs([{"job_type": "t"}] * 7)
    worker = JobWorker(queue, executor=executor, concurrency=3)
    worker.register_function_handler("t", lambda job: {})
    worker.start(max_jobs=5)
    assert queue.stats().counts[JobStatus.COMPLETED] == 5
    assert [queue.get_job(i).status.value for i in ids].count("pending") == 2
    assert queue.doctor() == [] and queue.stats().workers == []


def test_a_job_that_was_lost_twice_runs_beside_no_other(queue, clock, run_worker):
    """LESSONS 19."""
    lost = queue.submit_job("t", {"lost": True}, max_retries=9)
    for _ in range(2):
        assert queue.get_pending_job(lease=1) is not None
        clock.advance(2)
        worker = JobWorker(queue, poll_interval=0.01)
        worker.register_function_handler("none", lambda job: {})
        thread = threading.Thread(target=worker.start)
        thread.start()
        until(lambda: queue.get_job(lost).status is JobStatus.PENDING)
        worker.stop()
        thread.join()
    queue.submit_jobs([{"job_type": "t"}] * 6)
    together, running = [], set()

    def handle(job):
        running.add(job.job_id)
        time.sleep(0.05)
        together.append(set(running))
        running.discard(job.job_id)
        return {}

    run_worker({"t": handle}, concurrency=4)
    _all_done(queue, 7)
    assert [ids for ids in together if lost in ids] == [{lost}]


def test_a_hook_runs_in_the_worker_and_in_each_process(queue, executor):
    key = queue.tag + "test-hooks"
    worker = JobWorker(queue, executor=executor, concurrency=2)

    @worker.on_startup
    def began():
        queue.transport.command("RPUSH", key, f"began {os.getpid()}")

    @worker.on_shutdown
    async def ended():
        queue.transport.command("RPUSH", key, f"ended {os.getpid()}")

    @worker.handler("t")
    def handle(job):
        return {"pid": os.getpid()}

    queue.submit_jobs([{"job_type": "t"}] * 4)
    worker.start(max_jobs=4)
    said = [line.decode() for line in queue.transport.command("LRANGE", key, 0, -1)]
    assert said[0] == f"began {os.getpid()}" and f"ended {os.getpid()}" in said
    assert len(said) == (6 if executor == "process" else 2)
    assert len(set(said)) == len(said)


def test_an_async_hook_and_the_handlers_share_the_event_loop(queue):
    worker, loops = JobWorker(queue, executor="asyncio", concurrency=2), []

    @worker.on_startup
    @worker.on_shutdown
    async def note():
        loops.append(asyncio.get_running_loop())

    @worker.handler("t")
    async def handle(job):
        loops.append(asyncio.get_running_loop())

    queue.submit_job("t")
    worker.start(max_jobs=1)
    assert len(loops) == 3 and len(set(loops)) == 1


def test_a_worker_whose_startup_fails_does_not_start(queue, executor):
    job_id = queue.submit_job("t")
    worker = JobWorker(queue, executor=executor, concurrency=2)
    worker.register_function_handler("t", lambda job: {})

    @worker.on_startup
    def fails():
        raise OSError("no database")

    with pytest.raises(OSError, match="no database"):
        worker.start()
    assert not worker.is_running()
    assert queue.get_job(job_id).status is JobStatus.PENDING


def test_health_says_what_the_worker_does(queue, run_worker, executor, looks):
    """LESSONS 21: the loop turns, whatever the handlers do."""
    worker = run_worker({"t": lambda job: time.sleep(0.5)}, executor=executor, concurrency=2)
    until(lambda: worker.health().connected)
    job_id = queue.submit_job("t")
    until(lambda: worker.health().active == 1)
    looks.finished(job_id)
    until(lambda: (worker.health().active, worker.health().done) == (0, 1))
    time.sleep(0.3)
    assert worker.health().turned_ago < 5
    worker.stop()
    until(lambda: not worker.health().running)
    assert not worker.health().connected


def test_an_idle_worker_of_many_slots_sends_few_commands(own_server):
    """LESSONS 36. Under 3 a second with the usual poll interval of a second; the listener is silent."""
    from faciliter_jobs import RedisJobQueue

    queue = RedisJobQueue(own_server.config)
    queue.connect()
    worker = JobWorker(queue, concurrency=8, poll_interval=0.5)
    worker.register_function_handler("t", lambda job: {})
    thread = threading.Thread(target=worker.start)
    thread.start()
    until(lambda: queue.stats().parked == 1)

    def sent():
        stats = own_server.client().info("commandstats")
        counts = (stats.get(f"cmdstat_{name}") for name in ("evalsha", "blmove"))
        return sum(count["calls"] for count in counts if count)

    time.sleep(0.6)
    before = sent()
    time.sleep(2)
    assert sent() - before <= 11  # 4 rounds of park and BLMOVE, one of them begun before, a heartbeat
    worker.stop()
    thread.join(10)
    queue.close()


@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        ({"concurrency": 0}, InvalidArgumentError, "concurrency"),
        ({"concurrency": 1001}, InvalidArgumentError, "concurrency"),
        ({"concurrency": "2"}, InvalidTypeError, "concurrency"),
        ({"executor": "greenlet"}, InvalidArgumentError, "executor"),
        ({"timeout": 0}, InvalidArgumentError, "timeout"),
        ({"timeout": "1"}, InvalidTypeError, "timeout"),
        ({"shutdown_timeout": -1}, InvalidArgumentError, "shutdown_timeout"),
    ],
)
def test_bad_arguments_are_named(queue, arguments, error, names):
    with pytest.raises(error, match=names):
        JobWorker(queue, **arguments)


def test_bad_timeouts_and_hooks_are_named(queue):
    worker = JobWorker(queue)
    with pytest.raises(InvalidArgumentError, match="timeout"):
        worker.register_function_handler("t", lambda job: {}, timeout=-1)
    with pytest.raises(InvalidTypeError, match="on_startup"):
        worker.on_startup("not a function")


def test_the_event_loop_is_uvloops_where_that_is_installed(queue, run_worker, looks):
    async def handle(job):
        return {"module": type(asyncio.get_running_loop()).__module__.split(".")[0]}

    run_worker({"t": handle}, executor="asyncio")
    expected = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
    assert looks.finished(queue.submit_job("t")).result == {"module": expected}
