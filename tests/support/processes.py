"""Workers and producers as real processes, to be killed and paused."""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from faciliter_jobs import Job, JobConfig, JobWorker, RedisJobQueue

_ROOT = Path(__file__).resolve().parents[2]


def config_arguments(config: JobConfig) -> list[str]:
    fields = {
        "host": config.host,
        "port": config.port,
        "db": config.db,
        "password": config.password,
        "unix_socket": config.unix_socket,
        "prefix": config.prefix,
    }
    return ["--config", json.dumps(fields)]


def start_worker(
    queue: RedisJobQueue, *, start_new_session: bool = False, **options: Any
) -> subprocess.Popen[str]:
    """A worker process with the handlers below; options are JobWorker's, and max_jobs."""
    command = [sys.executable, "-m", "tests.support.processes", *config_arguments(queue.config)]
    command += ["--options", json.dumps({"poll_interval": 0.1, "retry_delay": 0.01, **options})]
    return subprocess.Popen(
        command,
        cwd=_ROOT,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=start_new_session,
    )


class Handlers:
    """Every run is counted in `<tag>test-runs`, so that a test can tell what ran how often."""

    def __init__(self, queue: RedisJobQueue) -> None:
        self.queue = queue

    def _count(self, job: Job) -> None:
        self.queue.transport.command("HINCRBY", self.queue.tag + "test-runs", job.job_id, 1)

    def count(self, job: Job) -> dict[str, Any]:
        self._count(job)
        return {"n": (job.input_data or {}).get("n")}

    def sleep(self, job: Job) -> dict[str, Any]:
        self._count(job)
        self.queue.update_job_progress(job.job_id, 1, f"pid {os.getpid()}")
        time.sleep((job.input_data or {})["seconds"])
        return {"pid": os.getpid()}

    def first_run_hangs(self, job: Job) -> dict[str, Any]:
        """Its first attempt never ends; the next ones do at once."""
        self._count(job)
        if job.attempt == 1:
            self.queue.update_job_progress(job.job_id, 1, f"pid {os.getpid()}")
            time.sleep(600)
        return {"attempt": job.attempt}

    def hold_gil(self, job: Job) -> dict[str, Any]:
        """Its first attempt keeps every other thread of its process from running, as a call into C may."""
        self._count(job)
        if job.attempt == 1:
            self.queue.update_job_progress(job.job_id, 1, f"pid {os.getpid()}")
            ctypes.PyDLL(None).usleep(int((job.input_data or {})["seconds"] * 1e6))
        return {"attempt": job.attempt}

    def exit(self, job: Job) -> None:
        """Kills its worker."""
        self._count(job)
        os._exit(7)


def register_all(worker: JobWorker, queue: RedisJobQueue) -> None:
    handlers = Handlers(queue)
    for name in ("count", "sleep", "first_run_hangs", "hold_gil", "exit"):
        worker.register_function_handler(name, getattr(handlers, name))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--options", required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    queue = RedisJobQueue(JobConfig(**json.loads(arguments.config)))
    options = json.loads(arguments.options)
    max_jobs = options.pop("max_jobs", None)
    worker = JobWorker(queue, **options)
    register_all(worker, queue)
    worker.start(max_jobs)


if __name__ == "__main__":
    main()
