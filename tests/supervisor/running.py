"""`faciliter-jobs worker ...` as a process, and what can be seen of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from faciliter_jobs import JobConfig
from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]
APP = "tests.supervisor.app:worker"


def environment(config: JobConfig) -> dict[str, str]:
    """What leads to a queue, and nothing else that does."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JOB_QUEUE_", "REDIS_"))}
    if config.unix_socket:
        env["JOB_QUEUE_URL"] = config.location
    else:
        env |= {"JOB_QUEUE_HOST": config.host, "JOB_QUEUE_PORT": str(config.port)}
        env |= {"JOB_QUEUE_DB": str(config.db), "JOB_QUEUE_PASSWORD": config.password or ""}
    return env | {"JOB_QUEUE_PREFIX": config.prefix, "PYTHONUNBUFFERED": "1"}


class Running:
    def __init__(
        self,
        config: JobConfig,
        *options: str,
        target: str = APP,
        cwd: Path = ROOT,
        stdin: int = subprocess.DEVNULL,
        **env: str,
    ) -> None:
        command = [sys.executable, "-m", "faciliter_jobs.cli", "worker", target, *options]
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(config) | env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self._lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def said(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """The first place in the log where the pattern is found; waits for it."""

        def look() -> re.Match[str] | None:
            return re.search(pattern, self.log)

        try:
            return until(look, timeout)
        except AssertionError:
            raise AssertionError(f"{pattern!r} not said within {timeout} s:\n{self.log}") from None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, timeout: float = 30.0) -> int:
        """Its exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.log}") from None
        self._reader.join(5)
        return code

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.ended()

    def clear_away(self) -> None:
        if self.process.poll() is None:
            self.process.kill()  # its children notice
        self.process.wait()

    # --- health -----------------------------------------------------------------------------------

    def get(self, path: str) -> tuple[int, str]:
        """(status, body); (0, "") while nobody listens."""
        base = self.said(r"health at (http://\S+)/healthz").group(1)
        try:
            with urllib.request.urlopen(base + path, timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def health(self) -> dict[str, Any]:
        return json.loads(self.get("/healthz")[1])

    def ready(self, timeout: float = 30.0) -> Running:
        with contextlib.suppress(AssertionError):
            until(lambda: self.get("/readyz")[0] == 200, timeout)
            return self
        raise AssertionError(f"not ready within {timeout} s:\n{self.log}")

    def pids(self) -> list[int]:
        """Of the workers that serve jobs, by slot."""
        workers = [worker for worker in self.health()["workers"] if worker["state"] == "ready"]
        return [worker["pid"] for worker in sorted(workers, key=lambda worker: worker["worker"])]


def lives(pid: int) -> bool:
    """And is no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
