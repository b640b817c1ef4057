"""What a command line may name, made in each of the ways that a module has: none asks for a server before
it serves jobs."""

from __future__ import annotations

import os
from typing import Any

from faciliter_jobs import Job, JobApp, JobHandler, JobWorker, create_job_queue, get_job_queue

jobs = JobApp()


@jobs.task
def where() -> dict[str, Any]:
    return {"pid": os.getpid()}


def _serving(worker: JobWorker) -> JobWorker:
    worker.register_function_handler("where", lambda job: {"pid": os.getpid()})
    return worker


made = _serving(JobWorker(poll_interval=0.1))


def makes_one() -> JobWorker:
    return _serving(JobWorker(poll_interval=0.1))


def makes_one_on_the_default_queue() -> JobWorker:
    return _serving(JobWorker(get_job_queue(), poll_interval=0.1))


def makes_one_on_a_queue_of_its_own() -> JobWorker:
    return _serving(JobWorker(create_job_queue(), poll_interval=0.1))


class Handler(JobHandler):
    def handle(self, job: Job) -> dict[str, Any]:
        return {"pid": os.getpid()}

    def get_job_type(self) -> str:
        return "where"
