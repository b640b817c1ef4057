"""Worker processes, as a user would start them: `faciliter-jobs worker ...`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_HANDLER = "examples.csv_to_xlsx.handler:CsvToXlsxHandler"


class WorkerProcess:
    def __init__(self, name: str, log: Path, environment: Mapping[str, str], lease: float) -> None:
        self.name = name
        self.was_killed = False
        self._log = log
        command = [sys.executable, "-m", "faciliter_jobs.cli", "worker", _HANDLER, "--name", name]
        command += ["--lease", str(lease), "--poll-interval", "0.5", "--retry-delay", "2"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C comes to the demo alone, which ends its workers itself
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: it can't say goodbye."""
        self._process.kill()
        self._process.wait()
        self.was_killed = True

    def stop(self, *, at_once: bool) -> None:
        """SIGTERM: finishes its job, or gives it back `at_once`, which takes a second signal."""
        self._process.terminate()
        for timeout in (0.5, 5.0) if at_once else (10.0,):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
                return
            self._process.terminate()
        self._process.kill()
        self._process.wait()

    def last_words(self) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-8:])


class WorkerDied(Exception):
    """A worker ended that nobody had killed."""


def wait_until_ready(
    workers: list[WorkerProcess], alive_names: Callable[[], Iterable[str]], timeout: float = 30.0
) -> None:
    """Until each has announced itself; `alive_names()` asks the queue who has."""
    deadline = time.monotonic() + timeout
    while not {worker.name for worker in workers} <= set(alive_names()):
        check_alive(workers)
        if time.monotonic() > deadline:
            raise WorkerDied(f"the workers did not come up in {timeout:g} s:\n{workers[0].last_words()}")
        time.sleep(0.05)


def check_alive(workers: list[WorkerProcess]) -> None:
    for worker in workers:
        if not worker.was_killed and not worker.is_alive:
            raise WorkerDied(f"{worker.name} ended by itself:\n{worker.last_words()}")
