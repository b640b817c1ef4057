"""A worker process of the harness: quick, slow, failing, greedy handlers, each run written down."""

from __future__ import annotations

import ctypes
import json
import os
import time
from collections.abc import Callable
from typing import Any

from faciliter_jobs import Job, JobConfig, JobWorker, context

from .recording import Recorder, now, recording_queue

LEASE = 2.0
GREEDY_SECONDS = 3.0  # longer than the lease

_RESULT = {"ok": True}


def _token() -> str:
    attempt = context.current.get()
    assert attempt is not None
    return attempt.token


class Handlers:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def noop(self, job: Job) -> dict[str, Any]:
        self._recorder.ran(_token(), job.job_id, now())
        return _RESULT

    def slow(self, job: Job) -> dict[str, Any]:
        return self._noted(job, lambda given: time.sleep(given["seconds"]))

    def flaky(self, job: Job) -> dict[str, Any]:
        """Fails so many times."""

        def run(given: dict[str, Any]) -> None:
            if job.attempt <= given["fails"]:
                raise ArithmeticError(f"failure {job.attempt}")

        return self._noted(job, run)

    def inside(self, job: Job) -> dict[str, Any]:
        """Says by itself how it ended."""
        attempt = context.current.get()
        assert attempt is not None
        queue = attempt.queue

        def run(given: dict[str, Any]) -> None:
            queue.update_job_progress(job.job_id, 50)
            queue.complete_job(job.job_id, {"from": "inside"})

        return self._noted(job, run)

    def greedy(self, job: Job) -> dict[str, Any]:
        """Holds the GIL for longer than the lease, once: a call into C that doesn't let go of it."""

        def run(given: dict[str, Any]) -> None:
            if job.attempt == 1:
                ctypes.PyDLL(None).usleep(int(GREEDY_SECONDS * 1e6))

        return self._noted(job, run)

    def _noted(self, job: Job, run: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        token, begun = _token(), now()
        self._recorder.begun(token, job.job_id)
        try:
            run(job.input_data or {})
        except Exception:
            self._recorder.ran(token, job.job_id, begun, "raised")
            raise
        self._recorder.ran(token, job.job_id, begun)
        return _RESULT


# Of workers in turn, by the number of their slot.
KINDS: list[dict[str, Any]] = [{}, {"concurrency": 4}, {"executor": "asyncio", "concurrency": 4}]

TYPES = ("noop", "slow", "flaky", "inside", "greedy")


def work(config: JobConfig, recorder: Recorder, name: str, jumping_clock: bool) -> None:
    """Until SIGTERM. `name`: `w1-2` is the second process of slot 1."""
    given = os.environ.get("CHAOS_WORKER")
    kind = json.loads(given) if given else KINDS[int(name[1:].partition("-")[0]) % len(KINDS)]
    queue = recording_queue(config, recorder, jumping_clock=jumping_clock)
    worker = JobWorker(
        queue,
        poll_interval=0.5,
        max_retries=20,
        retry_delay=0.1,
        lease=LEASE,
        name=name,
        **kind,
    )
    handlers = Handlers(recorder)
    for job_type in TYPES:
        worker.register_function_handler(job_type, getattr(handlers, job_type))
    worker.start()
