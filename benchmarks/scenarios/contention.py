"""Producers and workers at the same time, which share the server and the client cores."""

from __future__ import annotations

import subprocess
import sys
import time

from ..bench import Bench
from ..figures import Figure, Result
from ..workers import ROOT, Workers, wait_until_finished
from .registry import scenario

_PRODUCER = """
import sys, time
from faciliter_jobs import JobConfig, RedisJobQueue
from benchmarks.tally import payload
queue = RedisJobQueue(JobConfig.from_url(sys.argv[1]))
queue.connect()
first, number = int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
print(time.monotonic())
for i in range(first, first + number):
    queue.submit_job("bench", {"p": payload(i)})
"""
_PRODUCERS, _WORKERS = 4, 4


def _start_producer(url: str, first: int, number: int) -> subprocess.Popen[str]:
    """It waits for a line; it ends when we do."""
    command = [sys.executable, "-c", _PRODUCER, url, str(first), str(number)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _round(bench: Bench, each: int) -> tuple[float, int]:
    """Jobs per second from the first submit to the last handler's start, and runs beyond one a job."""
    total = each * _PRODUCERS
    queue = bench.queue()
    with Workers(queue.config, _WORKERS, every=1) as workers:
        producers = [_start_producer(bench.server.url, i * each, each) for i in range(_PRODUCERS)]
        for producer in producers:
            assert producer.stdout is not None
            producer.stdout.readline()
        workers.go()
        time.sleep(0.3)  # until they have parked
        for producer in producers:
            assert producer.stdin is not None
            producer.stdin.write("go\n")
            producer.stdin.flush()
        starts = [float(producer.communicate(timeout=300)[0]) for producer in producers]
        wait_until_finished(queue, total)
        workers.stop()
        runs = workers.runs()
    queue.close()
    if {run.number for run in runs} != set(range(total)):
        raise AssertionError(f"{total} jobs have finished, and not all of them have run")
    rate = total / (max(run.at for run in runs) - min(starts))
    return rate, len(runs) - total


@scenario("contention", "4 producers submit one by one while 4 workers run no-op handlers")
def contention(bench: Bench) -> Result:
    each = bench.size(2_000, 20_000)
    again: list[int] = []

    def measure() -> float:
        rate, beyond = _round(bench, each)
        again.append(beyond)
        return rate

    got = bench.against_lpush(measure, bench.size(3, 5), count=1500)
    return Result(
        "contention",
        [
            # Unguarded: eight processes on few cores measure the scheduler too.
            got.figure("rate", "submitted and run, end to end", guarded=""),
            Figure(
                "again", "jobs that ran once more, though no worker died", sum(again), "runs",
                aim="0", met=not any(again),
            ),
        ],
        notes=[f"{each * _PRODUCERS:,} jobs each round, {len(again)} rounds."],
    )  # fmt: skip
