"""What `.submit` writes, and what it refuses before it writes anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from faciliter_jobs import InvalidArgumentError, InvalidTypeError, JobSpec, PayloadTooLargeError
from faciliter_jobs.tasks import JobApp, JobContext


def resize(path: str, width: int, *, crop: bool = False) -> str:
    return f"{path}@{width}"


def test_arguments_travel_by_name_and_defaults_stay_with_the_worker(queue, jobs):
    job = queue.get_job(jobs.task(resize).submit("a.png", 640))
    assert (job.job_type, job.input_data) == ("resize", {"path": "a.png", "width": 640})


def test_further_keyword_arguments_travel_beside_the_others(queue, jobs):
    @jobs.task
    def tag(name: str, **labels: int) -> None: ...

    assert queue.get_job(tag.submit("n", red=1)).input_data == {"name": "n", "red": 1}


def test_calling_a_task_runs_it_in_line(queue, jobs):
    assert jobs.task(resize)("a.png", 640) == "a.png@640"
    assert queue.list_jobs() == []


def test_a_task_keeps_the_functions_name_and_text(jobs):
    task = jobs.task("images.resize")(resize)
    assert (task.name, task.__name__, repr(task)) == ("images.resize", "resize", "<Task images.resize>")


def test_attributes_of_the_function_do_not_become_the_tasks_own(jobs):
    def work() -> None: ...

    work.name = "mine"  # type: ignore[attr-defined]
    assert jobs.task(work).name == "work"


def test_options_go_from_the_application_to_the_task_to_the_call(queue):
    jobs = JobApp(queue, company_id="acme", max_retries=1, ttl=500)
    task = jobs.task("r", max_retries=2, retry_delay=7)(resize)
    plain = queue.get_job(task.submit("a", 1))
    assert (plain.company_id, plain.max_retries, plain.retry_delay) == ("acme", 2, 7)
    bound = task.options(company_id="other", user_id="ann", max_retries=3, job_id="mine", delay=60)
    job = queue.get_job(bound.submit("a", 1))
    assert (job.job_id, job.company_id, job.user_id, job.max_retries) == ("mine", "other", "ann", 3)
    assert job.due_at is not None
    assert queue.get_job(task.submit("a", 1)).due_at is None, "the task itself has kept its options"


def test_options_are_added_to_those_before(queue, jobs):
    task = jobs.task(resize).options(user_id="ann").options(metadata={"from": "test"})
    job = queue.get_job(task.submit("a", 1))
    assert (job.user_id, job.metadata) == ("ann", {"from": "test"})


def test_many_are_submitted_in_one_call_all_or_none(queue, jobs):
    task = jobs.task(resize)
    ids = task.submit_many(task.spec("a", width) for width in range(5))
    assert [queue.get_job(i).input_data["width"] for i in ids] == [0, 1, 2, 3, 4]
    with pytest.raises(InvalidTypeError, match=r"jobs\[1\]: expected what resize\.spec"):
        task.submit_many([task.spec("a", 1), JobSpec("other")])
    with pytest.raises(InvalidArgumentError):
        task.submit_many([task.spec("a", 1), task.options(job_id="x").spec("b", "wide")])
    assert len(queue.list_jobs()) == 5


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((("a",), {}), InvalidTypeError, "resize: missing a required argument: 'width'"),
        ((("a", 1, True), {}), InvalidTypeError, "resize: too many positional arguments"),
        ((("a", 1), {"height": 2}), InvalidTypeError, "resize: got an unexpected keyword argument 'height'"),
        ((("a", "wide"), {}), InvalidArgumentError, "resize: width: Input should be a valid integer"),
        ((("a" * 2_000_000, 1), {}), PayloadTooLargeError, "input_data"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_written(
    queue, jobs, arguments, error, match
):
    args, kwargs = arguments
    with pytest.raises(error, match=match):
        jobs.task(resize).submit(*args, **kwargs)
    assert queue.list_jobs() == []


def _star(*widths: int) -> None: ...
def _positional(width: int, /) -> None: ...
def _generator(width: int) -> Iterator[int]:
    yield width


async def _async_generator() -> AsyncIterator[int]:
    yield 1


def _context_late(width: int, ctx: JobContext) -> None: ...


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (_star, "widths: takes any number of positional arguments"),
        (_positional, "width: is positional-only"),
        (_generator, "a generator has no result"),
        (_async_generator, "a generator has no result"),
        (_context_late, "ctx: the JobContext must be first"),
    ],
)
def test_what_cannot_travel_by_name_is_refused_at_decoration(jobs, function, match):
    with pytest.raises(InvalidTypeError, match=match):
        jobs.task(function)
    assert jobs.tasks == {}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_retries": -1}, "max_retries: -1 is outside"),
        ({"ttl": 0}, "ttl: 0 is outside"),
        ({"colour": "red"}, "resize: unknown option 'colour'"),
        ({"job_id": "x"}, "resize: unknown option 'job_id'"),
    ],
)
def test_options_are_checked_at_decoration(jobs, options: dict[str, Any], match):
    with pytest.raises(InvalidArgumentError, match=match):
        jobs.task(**options)(resize)


def test_two_tasks_of_one_name_are_refused(jobs):
    jobs.task(resize)
    with pytest.raises(InvalidArgumentError, match="task 'resize' exists already"):
        jobs.task(resize)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 200])
def test_a_tasks_name_is_a_job_type(jobs, name):
    with pytest.raises(InvalidArgumentError, match="task's name"):
        jobs.task(name)(resize)


def test_without_a_queue_of_its_own_an_application_uses_the_default_one(default_queue):
    job_id = JobApp().task(resize).submit("a", 1)
    assert default_queue.get_job(job_id).job_type == "resize"


def test_the_result_comes_back_as_the_functions_return_type(queue, jobs, run):
    task = jobs.task(resize)
    job_id = task.submit("a", 1)
    assert task.result_of(job_id) is None
    run(job_id)
    assert task.result_of(job_id) == "a@1"
