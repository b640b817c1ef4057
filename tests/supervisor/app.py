"""What the supervisors of these tests run."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from faciliter_jobs import Job, JobWorker, RedisJobQueue, get_job_queue
from tests.support.processes import Handlers, register_all

_kept: list[bytes] = []


class _Handlers(Handlers):
    def grow(self, job: Job) -> None:
        _kept.append(os.urandom(job.input_data["mb"] << 20))
        time.sleep(job.input_data.get("seconds", 0))

    def hold_the_interpreter(self, job: Job) -> dict[str, Any]:
        """At its first attempt no other thread of this process gets to run."""
        if job.attempt == 1:
            re.fullmatch(r"(a+)+", "a" * 64 + "b")
        return {"attempt": job.attempt}


def worker() -> JobWorker:
    queue = get_job_queue()
    assert isinstance(queue, RedisJobQueue)
    lease = float(os.environ.get("APP_LEASE", "1"))
    made = JobWorker(queue, poll_interval=0.1, retry_delay=0.01, lease=lease)
    register_all(made, queue)
    more = _Handlers(queue)
    for name in ("grow", "hold_the_interpreter"):
        made.register_function_handler(name, getattr(more, name))
    return made
