"""Worker processes of faciliter-jobs for the scenarios: this module is their main program, and the
harness's handle on them."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from faciliter_jobs import Job, JobConfig, JobWorker, RedisJobQueue
from faciliter_jobs.job import JobStatus

from .tally import Run, Tally, read_tally

ROOT = Path(__file__).resolve().parents[1]
RESULT = {"ok": True}


class Workers:
    """Some worker processes. They have started and wait when `with` begins, and run from `go`."""

    def __init__(
        self, config: JobConfig, number: int = 1, *, every: int = 0, sleep: float = 0.0, poll: float = 1.0
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="fj-bench-")
        self._tally = Path(self._directory.name) / "tally"
        fields = ("host", "port", "db", "password", "username", "unix_socket", "prefix")
        options = {
            "config": {name: getattr(config, name) for name in fields},
            "tally": str(self._tally),
            "every": every,
            "sleep": sleep,
            "poll": poll,
        }
        command = [sys.executable, "-m", "benchmarks.workers", json.dumps(options)]
        self.processes = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(number)
        ]

    def __enter__(self) -> Workers:
        for process in self.processes:
            self._answer(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._directory.cleanup()

    def go(self) -> None:
        for process in self.processes:
            self._say(process, "go")

    def cpu_seconds(self) -> float:
        """Of all of them, so far."""
        for process in self.processes:
            self._say(process, "cpu")
        return sum(float(self._answer(process)) for process in self.processes)

    def runs(self) -> list[Run]:
        return read_tally(self._tally)

    def stop(self) -> None:
        for process in self.processes:
            with contextlib.suppress(OSError):
                self._say(process, "stop")
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @staticmethod
    def _say(process: subprocess.Popen[str], word: str) -> None:
        if process.poll() is None:
            assert process.stdin is not None
            process.stdin.write(word + "\n")
            process.stdin.flush()

    @staticmethod
    def _answer(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("a worker process died at its start: its message is above")
        return line.strip()


def wait_until_finished(queue: RedisJobQueue, number: int, timeout: float = 300.0) -> None:
    """Looks 50 times a second, which costs the measured workers under one percent."""
    deadline = time.monotonic() + timeout
    while True:
        counts = queue.stats(limit=1).counts
        if counts.get(JobStatus.COMPLETED, 0) >= number:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{number} jobs were to finish in {timeout:g} s: {counts}")
        time.sleep(0.02)


def drain_rate(queue: RedisJobQueue, number: int, workers: int = 1) -> float:
    """Jobs per second from the first handler's start to the last one's, of a backlog that is there."""
    with Workers(queue.config, workers) as running:
        running.go()
        wait_until_finished(queue, number)
        running.stop()
        times = [run.at for run in running.runs()]
    return (number - 1) / (max(times) - min(times))


# --- the process's own side -----------------------------------------------------------------------


def _commands() -> Iterator[str]:
    """Lines of stdin, read beneath Python's buffers, whose lock a daemon thread would hold at exit."""
    buffered = b""
    while data := os.read(0, 4096):
        buffered += data
        *lines, buffered = buffered.split(b"\n")
        yield from (line.decode() for line in lines)
    yield "stop"


def _obey(worker: JobWorker, commands: Iterator[str]) -> None:
    for command in commands:
        if command == "cpu":
            print(time.process_time(), flush=True)
        elif command == "stop":
            worker.stop()
            return


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("options", type=json.loads)
    options: dict[str, Any] = parser.parse_args().options
    tally = Tally(options["tally"], options["every"])
    note, sleep = tally.noter(), float(options["sleep"])

    def handle(job: Job) -> dict[str, Any]:
        note(job.input_data["p"])  # type: ignore[index]
        if sleep:
            time.sleep(sleep)
        return RESULT

    queue = RedisJobQueue(JobConfig(**options["config"]))
    worker = JobWorker(queue, poll_interval=options["poll"])
    worker.register_function_handler("bench", handle)
    print("ready", flush=True)
    commands = _commands()
    if next(commands) == "go":
        threading.Thread(target=_obey, args=(worker, commands), daemon=True).start()
        worker.start()
    tally.close()


if __name__ == "__main__":
    main()
