"""A worker that writes down what it does, for the checker of tests/chaos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from faciliter_jobs import JobConfig, JobWorker
from tests.chaos.recording import Recorder, now, recording_queue
from tests.chaos.work import TYPES, Handlers


class _Recorder(Recorder):
    """For a process and those that it forks: they write into one file."""

    def invoked(self, script: str, asked: dict[str, Any]) -> int:
        number = os.getpid() << 32 | next(self._numbers)
        self.write(do=script, n=number, t=now(), **asked)
        return number


def worker() -> JobWorker:
    name = f"w:{os.getpid()}:{os.urandom(3).hex()}"
    recorder = _Recorder(Path(os.environ["HISTORY"]), name)
    queue = recording_queue(JobConfig.from_env(), recorder)
    made = JobWorker(queue, poll_interval=0.2, max_retries=20, retry_delay=0.1, lease=2, name=name)
    handlers = Handlers(recorder)
    for job_type in TYPES:
        made.register_function_handler(job_type, getattr(handlers, job_type))
    return made
