"""For the tests of code that uses this package: jobs run in-line, a real queue for each test, a clock
that the test sets. The fixtures are in `faciliter_jobs_pytest`."""

from ..default import using_queue
from .clock import JobClock
from .drain import run_worker_until_empty
from .eager import EagerQueue, eager
from .server import fresh_queue, server_for_tests

__all__ = [
    "EagerQueue",
    "JobClock",
    "eager",
    "fresh_queue",
    "run_worker_until_empty",
    "server_for_tests",
    "using_queue",
]
