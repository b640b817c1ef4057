"""The queue against its model, step by step, over random histories.

FJ_MODEL_EXAMPLES=2000 runs so many histories instead of the default number. A failure prints the
shortest history found, as a program, and a blob that repeats it.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import QueueMachine
from tests.support.clock import Clock

EXAMPLES = int(os.environ.get("FJ_MODEL_EXAMPLES", "60"))


@pytest.mark.timeout(0)  # as long as FJ_MODEL_EXAMPLES asks for, or the search for the shortest failure
def test_every_history_goes_as_the_model_predicts(make_queue):
    queue = make_queue(default_ttl=3600)
    machine = type("Machine", (QueueMachine,), {"queue": queue, "clock": Clock(queue)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
