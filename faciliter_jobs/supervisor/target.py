"""MODULE:OBJECT and the command line's options to a worker that is ready to start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..base_queue import BaseJobQueue
from ..cli import load
from ..default import get_job_queue, server_may_be_away
from ..errors import InvalidArgumentError
from ..tasks import JobApp
from ..worker import JobWorker

# What the command line may say of a JobWorker that the module made itself: how it runs here, as
# against what its handlers need (retries, leases), which stays the module's.
_OF_THE_RUN = ("concurrency", "executor", "timeout", "shutdown_timeout")


def worker_of(
    target: str, options: Mapping[str, Any], open_queue: Callable[[], BaseJobQueue] = get_job_queue
) -> JobWorker:
    """options: JobWorker's, those that were given. open_queue: for an application's or a handler's
    worker; one that the module has made has its own. Its server, too, may still be away: the worker
    waits for it when it starts.

    Raises InvalidArgumentError, and whatever the module itself raises.
    """
    with server_may_be_away():
        return _worker_of(target, options, open_queue)


def _worker_of(target: str, options: Mapping[str, Any], open_queue: Callable[[], BaseJobQueue]) -> JobWorker:
    found = load.worker_or_handler(target)
    if isinstance(found, JobApp):
        return found.worker(job_queue=found.own_queue or open_queue(), **options)
    if not isinstance(found, JobWorker):
        worker = JobWorker(open_queue(), **options)
        worker.register_handler(found)
        return worker
    refused = [option for option in options if option not in _OF_THE_RUN]
    if refused:
        names = ", ".join("--" + option.replace("_", "-") for option in refused)
        raise InvalidArgumentError(f"{names}: {target} is a JobWorker, which has its own")
    _set(found, options)
    return found


def _set(worker: JobWorker, options: Mapping[str, Any]) -> None:
    checked = JobWorker(worker.job_queue, **options)
    for option in options:
        setattr(worker, option, getattr(checked, option))


def make_name_unique(worker: JobWorker) -> None:
    """A name is one process's: two workers of one name would take each other's jobs for their own."""
    if f":{os.getpid()}:" not in worker.name:
        worker.name = f"{worker.name}:{os.getpid()}:{os.urandom(3).hex()}"
