"""kill -9 of workers and of their supervisors, in the middle of everything; the checker of tests/chaos
decides on the history of all calls whether anything was lost, is stuck or was committed twice.

SUPERVISOR_CHAOS_SECONDS=60 runs it for longer, and with every executor; SUPERVISOR_CHAOS_SEED=7 otherwise.
"""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace

import pytest

from faciliter_jobs import JobStatus, RedisJobQueue
from tests.chaos import checker, final
from tests.chaos.crew import Crew
from tests.chaos.history import read
from tests.chaos.produce import produce
from tests.chaos.recording import Recorder
from tests.supervisor.running import Running
from tests.support.wait import until

SECONDS = float(os.environ.get("SUPERVISOR_CHAOS_SECONDS", "2"))
SEED = int(os.environ.get("SUPERVISOR_CHAOS_SEED", "1"))
EXECUTORS = {
    "one at a time": (),
    "threads": ("--concurrency", "4"),
    "asyncio": ("--concurrency", "8", "--executor", "asyncio"),
    "processes": ("--concurrency", "2", "--executor", "process"),
}
_ONLY = list(EXECUTORS) if "SUPERVISOR_CHAOS_SECONDS" in os.environ else ["one at a time"]


def _produce(crew: Crew, config, directory) -> None:
    def producer(slot: int):
        def run(name: str) -> None:
            recorder = Recorder(directory, name)
            produce(config, recorder, name, f"{SEED}:{name}", jumping_clock=False, backlog=1000)

        return run

    for slot in range(2):
        crew.fill(f"p{slot}", producer(slot))


def _attack(start, dice: random.Random) -> Running:
    """Returns the supervisor that is there at the end."""
    running = start()
    faults = {"worker": 0, "supervisor": 0, "roll": 0}
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or faults["worker"] < 2:
        time.sleep(dice.uniform(0.1, 0.9))
        running.ready(60)
        fault = dice.choices(list(faults), (6, 2, 1))[0]
        faults[fault] += 1
        if fault == "worker":
            os.kill(dice.choice(running.pids()), signal.SIGKILL)
        elif fault == "supervisor":
            running.send(signal.SIGKILL)
            running = start()
        else:
            running.send(signal.SIGHUP)
    print(f"seed {SEED}: {faults}")
    return running


@pytest.mark.slow
@pytest.mark.timeout(120 + 3 * SECONDS)
@pytest.mark.parametrize("executor", _ONLY)
def test_nothing_is_lost_stuck_or_committed_twice(executor, own_server, run, tmp_path):
    config = replace(own_server.config, prefix="chaos:")
    options = ("--processes", "2", "--shutdown-timeout", "5", *EXECUTORS[executor])

    def start() -> Running:
        target = "tests.supervisor.chaos_app:worker"
        return run(*options, target=target, config=config, HISTORY=str(tmp_path)).ready(60)

    crew = Crew(tmp_path)
    queue = RedisJobQueue(config)
    try:
        _produce(crew, config, tmp_path)
        running = _attack(start, random.Random(SEED))
        deadline = time.monotonic() + 20
        crew.dismiss("p", lambda: time.monotonic() > deadline)

        def at_rest() -> bool:
            counts = queue.stats(limit=1).counts
            return counts[JobStatus.PENDING] + counts[JobStatus.PROCESSING] == 0

        until(at_rest, 90, every=0.1)
        assert running.stop() == 0
        state = final.read_final(queue)
        assert [str(violation) for violation in checker.check(read(tmp_path), state)] == []
        assert crew.surprises == [] and len(state.jobs) > 100
        print(f"{len(state.jobs)} jobs")
    finally:
        crew.kill_all()
        queue.close()
