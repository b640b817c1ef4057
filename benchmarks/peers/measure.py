"""One round of one peer: its producer and its worker as two processes, and what they did."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..bench import Bench
from ..stats import used_memory
from ..tally import Run, read_tally, records_in
from .homes import Home

_WARM_UP = 100
_ENQUEUED = 500  # a part, between two LPUSH loops
_BULK = 1000
_PARTS = 4
_SPACED = 200
_GAP = 0.02
_START_TIMEOUT = 60.0
_DRAIN_TIMEOUT = 60.0


class PeerFailed(Exception):
    """With a reason for the table."""


@dataclass(frozen=True)
class Rate:
    """Jobs a second, and beside the LPUSH loops just before and just after."""

    jobs: float
    ratio: float


@dataclass
class Round:
    enqueue: list[Rate]
    bulk: list[Rate]
    drain: list[Rate]
    pending_bytes: float
    waits: list[float] = field(default_factory=list)  # ms


class Session:
    """The processes of one peer, on an emptied database."""

    def __init__(self, bench: Bench, home: Home, log: Path, *, lease: int = 0, hang: bool = False) -> None:
        self._home = home
        self._log = log
        self._directory = tempfile.TemporaryDirectory(prefix="fj-bench-")
        self.tally = Path(self._directory.name) / "tally"
        self.every = home.peer.every
        self._processes: list[subprocess.Popen[str]] = []
        self._environment = {
            "BENCH_URL": bench.server.url,
            "BENCH_TALLY": str(self.tally),
            "BENCH_LEASE": str(lease),
            "BENCH_HANG": "1" if hang else "0",
        }
        bench.client.flushdb()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            kill_all(process)
        self._directory.cleanup()

    def start(self, role: str, every: int = 1) -> subprocess.Popen[str]:
        environment = {**self._environment, "BENCH_EVERY": str(every)}
        process = self._home.start(role, environment, self._log)
        self._processes.append(process)
        return process

    def ask(self, producer: subprocess.Popen[str], what: str, first: int, count: int, **more: Any) -> Any:
        assert producer.stdin is not None and producer.stdout is not None
        try:
            producer.stdin.write(json.dumps({"do": what, "first": first, "count": count, **more}) + "\n")
            producer.stdin.flush()
            ready, _, _ = select.select([producer.stdout], [], [], _START_TIMEOUT)
            line = producer.stdout.readline() if ready else ""
        except OSError:
            line = ""
        if not line:
            raise PeerFailed(f"its producer failed: {self.last_words()}")
        return json.loads(line)

    def wait_for_runs(self, number: int, timeout: float, worker: subprocess.Popen[str]) -> None:
        """Until so many records are in the tally."""
        deadline = time.monotonic() + timeout
        while records_in(self.tally) < number:
            if worker.poll() is not None:
                raise PeerFailed(f"its worker ended: {self.last_words()}")
            if time.monotonic() > deadline:
                raise PeerFailed(
                    f"{records_in(self.tally)} of {number} notes in {timeout:g} s: {self.last_words()}"
                )
            time.sleep(0.01)

    def runs(self) -> list[Run]:
        return read_tally(self.tally)

    def last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1].strip()[:200]
        return "it said nothing"


def kill_all(process: subprocess.Popen[str]) -> None:
    """kill -9 of the process and of all that it has started: RQ's forks leave its group, not its session."""
    for pid in _session(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _session(leader: int) -> list[int]:
    """Where there is /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(fields[3]) == leader:
                found.append(int(stat.parent.name))
    return found


def throughput(bench: Bench, home: Home, log: Path) -> Round:
    """Rates, and memory while nothing runs."""
    peer = home.peer
    with Session(bench, home, log) as session:
        producer = session.start("produce")
        session.ask(producer, "enqueue", 0, _WARM_UP)
        waiting, before = _WARM_UP, used_memory(bench.client)

        def in_parts(what: str, jobs: int) -> list[Rate]:
            def part() -> float:
                nonlocal waiting
                waiting += jobs
                seconds: float = session.ask(producer, what, waiting - jobs, jobs)["seconds"]
                return jobs / seconds

            return _beside_lpush(bench, part, _PARTS)

        enqueue = in_parts("enqueue", _ENQUEUED)
        pending_bytes = (used_memory(bench.client) - before) / (waiting - _WARM_UP)
        bulk = []
        if peer.bulk:
            session.ask(producer, "bulk", waiting, _BULK)  # to warm up
            waiting += _BULK
            bulk = in_parts("bulk", _BULK)
        if (missing := peer.drain + 2 * peer.every - waiting) > 0:
            session.ask(producer, "bulk" if peer.bulk else "enqueue", waiting, missing)
        kill_all(producer)

        def drain() -> float:
            worker = session.start("work", peer.every)
            rate = _drain_rate(session, worker, peer.drain)
            kill_all(worker)
            return rate

        return Round(enqueue, bulk, _beside_lpush(bench, drain, 1), pending_bytes)


def _beside_lpush(bench: Bench, measure: Callable[[], float], times: int) -> list[Rate]:
    rates = []
    before = bench.lpush()
    for _ in range(times):
        jobs, after = measure(), bench.lpush()
        rates.append(Rate(jobs, jobs / ((before + after) / 2)))
        before = after
    return rates


def _drain_rate(session: Session, worker: subprocess.Popen[str], jobs: int) -> float:
    """Between the first tenth, in which it warms up, and the last job of so many."""
    if session.every == 1:
        session.wait_for_runs(jobs, _START_TIMEOUT + _DRAIN_TIMEOUT, worker)
        times = sorted(run.at for run in session.runs())[:jobs]
        first = max(1, jobs // 10)
        return (jobs - first) / (times[jobs - 1] - times[first - 1])
    session.wait_for_runs(1 + jobs // session.every, _START_TIMEOUT + _DRAIN_TIMEOUT, worker)
    at = {run.number: run.at for run in session.runs()}
    first = min(number for number in at if number >= jobs // 10)
    return (jobs - first) / (at[jobs] - at[first])


def idle_waits(bench: Bench, home: Home, log: Path) -> list[float]:
    """Milliseconds from the call that enqueues to the handler, 50 jobs a second."""
    with Session(bench, home, log) as session:
        worker, producer = session.start("work"), session.start("produce")
        session.ask(producer, "spaced", 0, _WARM_UP // 4, gap=_GAP)
        session.wait_for_runs(_WARM_UP // 4, _START_TIMEOUT, worker)
        submitted = session.ask(producer, "spaced", _WARM_UP, _SPACED, gap=_GAP)["submitted"]
        session.wait_for_runs(_WARM_UP // 4 + _SPACED, _DRAIN_TIMEOUT, worker)
        started = {run.number: run.at for run in reversed(session.runs())}
    return [(started[_WARM_UP + i] - at) * 1000 for i, at in enumerate(submitted)]


def survives_kill(bench: Bench, home: Home, log: Path, lease: int, timeout: float) -> str:
    """Kills the worker in the middle of a job, starts another, and says what became of the job."""
    with Session(bench, home, log, lease=lease, hang=True) as session:
        worker, producer = session.start("work"), session.start("produce")
        session.ask(producer, "enqueue", 0, 1)
        session.wait_for_runs(1, _START_TIMEOUT, worker)
        time.sleep(0.5)
        kill_all(worker)
        killed = time.monotonic()
        other = session.start("work")
        try:
            session.wait_for_runs(2, timeout, other)
        except PeerFailed:
            if other.poll() is not None:
                raise
            return f"NO, tested: not run again within {timeout:g} s"
        return f"yes, tested: run again {session.runs()[1].at - killed:.0f} s after"
