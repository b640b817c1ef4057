"""lua/read/check_members.lua: what a list or sorted set names exists and belongs there."""

from __future__ import annotations

import pytest

from faciliter_jobs import scripts
from tests.support.contract import (
    COMPLETED,
    FAILED,
    IN_INBOX,
    IN_LANE,
    PICKED_UP,
    PROCESSING,
    SCHEDULED,
    STATES,
)

LANE = "lane:0:1:t:acme"


def _look(stage, family, name, start=0, count=100):
    stage.check = False
    call = scripts.check_members(stage.tag, family=family, name=name.encode(), start=start, count=count)
    seen, problems = stage.run(call)
    return seen, [str(problem) for problem in problems]


STRUCTURES = [
    ("index", "index"),
    ("index", "index:company:acme"),
    ("index", "index:user:ann"),
    ("index", "index:both:4:acme:ann"),
    ("scheduled", "scheduled"),
    ("leases", "leases"),
    ("finished", "completed"),
    ("finished", "failed"),
    ("finished", "cancelled"),
    ("lane", LANE),
    ("ring", "ring:0:t"),
    ("inbox", "inbox:w1"),
    ("processing", "processing:w1"),
]


@pytest.mark.parametrize("state", STATES)
def test_in_a_sound_queue_no_structure_has_a_problem_and_nothing_changes(either_stage, state):
    """LESSONS 35."""
    stage = either_stage
    stage.job_in(state)
    before = stage.snapshot()
    assert [_look(stage, *structure)[1] for structure in STRUCTURES] == [[]] * len(STRUCTURES)
    assert stage.snapshot() == before


@pytest.mark.parametrize(("family", "name"), STRUCTURES)
def test_a_member_without_a_record_is_found(stage, family, name):
    command = ("RPUSH", name, "ghost") if family in ("inbox", "processing") else ("ZADD", name, "1", "ghost")
    stage.client.execute_command(command[0], stage.tag + command[1], *command[2:])
    seen, problems = _look(stage, family, name)
    said = f"in {name} without a lane" if family == "ring" else f"in {name} without a record"
    assert (seen, problems) == (1, [f"ghost: {said}"])
    assert problems[0] in [str(problem) for problem in stage.queue.doctor()]


@pytest.mark.parametrize(
    ("state", "family", "name"),
    [
        (IN_LANE, "leases", "leases"),
        (IN_LANE, "finished", "completed"),
        (IN_LANE, "lane", "lane:0:5:other:acme"),
        (IN_LANE, "lane", "lane:0:1:t:other"),
        (IN_LANE, "inbox", "inbox:w1"),
        (IN_LANE, "processing", "processing:w1"),
        (IN_LANE, "index", "index:company:acme"),
        (IN_LANE, "index", "index:company:other"),
        (IN_LANE, "index", "index:user:other"),
        (SCHEDULED, "lane", LANE + "x"),
        (IN_INBOX, "inbox", "inbox:w2"),
        (IN_INBOX, "scheduled", "scheduled"),
        (IN_INBOX, "lane", LANE),
        (PICKED_UP, "processing", "processing:w2"),
        (PROCESSING, "processing", "processing:w2"),
        (PROCESSING, "inbox", "inbox:w1"),
        (PROCESSING, "scheduled", "scheduled"),
        (COMPLETED, "finished", "failed"),
        (COMPLETED, "leases", "leases"),
        (COMPLETED, "processing", "processing:w1"),
        (FAILED, "scheduled", "scheduled"),
    ],
)
def test_a_job_that_does_not_belong_there_is_found(stage, state, family, name):
    job_id = stage.job_in(state)
    command = ("RPUSH", name, job_id) if family in ("inbox", "processing") else ("ZADD", name, "1", job_id)
    stage.client.execute_command(command[0], stage.tag + command[1], *command[2:])
    _, problems = _look(stage, family, name)
    assert [problem for problem in problems if problem.startswith(f"{job_id}: in {name} but ")], problems
    assert set(problems) <= {str(problem) for problem in stage.queue.doctor()}


def test_a_company_in_the_ring_without_a_lane_is_found(stage):
    stage.submit()
    stage.client.zadd(stage.tag + "ring:0:t", {"nobody": 5})
    assert _look(stage, "ring", "ring:0:t") == (2, ["nobody: in ring:0:t without a lane"])


def test_a_type_with_colons_has_its_ring_checked(stage):
    stage.submit(job_type="a:b:1")
    assert _look(stage, "ring", "ring:0:a:b:1") == (1, [])


def test_it_looks_at_a_page(stage):
    stage.submit_many(10)
    assert [_look(stage, "index", "index", start, 4)[0] for start in (0, 4, 8, 12)] == [4, 4, 2, 0]


def test_the_doctor_finds_what_is_on_a_later_page(stage):
    stage.submit_many(450)
    stage.client.zadd(stage.tag + LANE, {"ghost": 10**9})
    assert [str(problem) for problem in stage.queue.doctor()] == [f"ghost: in {LANE} without a record"]
