"""Tasks of what isn't a plain function: decorated, partial, static, an object."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from faciliter_jobs import InvalidArgumentError, InvalidTypeError, JobStatus
from faciliter_jobs.middleware import Middleware
from faciliter_jobs.tasks import Depends
from faciliter_jobs.tasks import JobContext as Ctx
from tests.tasks.decorators import counted

events: list[str] = []
ID = UUID(int=5)


@pytest.fixture(autouse=True)
def _fresh():
    events.clear()


def resource() -> Iterator[str]:
    events.append("open")
    yield "resource"
    events.append("close")


async def work(n: int, held: str = Depends(resource)) -> set[int]:
    await asyncio.sleep(0)
    events.append(f"work with {held}")
    if n < 0:
        raise ValueError("negative")
    return {n}


class Worker:
    async def __call__(self, n: int, held: str = Depends(resource)) -> set[int]:
        return await work(n, held)


class Counted:
    """A decorator that is an object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def _run_to_its_end(function):
    @functools.wraps(function)
    def run(*args, **kwargs):
        return asyncio.run(function(*args, **kwargs))

    return run


ASYNC = {
    "decorated": counted(work),
    "decorated twice": counted(counted(work)),
    "decorated by an object": Counted(work),
    "run to its end by a decorator": _run_to_its_end(work),
    "static": staticmethod(work),
    "partial": functools.partial(work),
    "partial of a decorated one": functools.partial(counted(work)),
    "object": Worker(),
    "method": Worker().__call__,
}
every_async = pytest.mark.parametrize("function", ASYNC.values(), ids=ASYNC)


@every_async
def test_an_async_function_runs_while_its_dependencies_are_open(jobs, run, function):
    task = jobs.task("t")(function)
    assert run(task.submit(3)).result == [3]
    assert events == ["open", "work with resource", "close"]
    assert asyncio.run(task(3)) == {3}


@every_async
def test_middleware_sees_the_error_of_an_async_function(jobs, run, function):
    class Note(Middleware):
        def error(self, job: object, error: BaseException) -> None:
            events.append(str(error))

    jobs.middleware(Note())
    job = run(jobs.task("t", max_retries=0)(function).submit(-1))
    assert (job.status, job.error) == (JobStatus.FAILED, "ValueError: negative")
    assert events[-1] == "negative"


def test_an_async_wrapper_that_has_the_answer_at_hand_may_give_it(jobs, run):
    @functools.wraps(work)
    def cached(n: int, held: str) -> set[int]:
        return {0}

    assert run(jobs.task("t")(cached).submit(3)).result == [0]


def forgetful(n: int) -> Any:
    return work(n, "nothing")


def forgetful_with_a_dependency(n: int, held: str = Depends(resource)) -> Any:
    return work(n, held)


@pytest.mark.parametrize("function", [forgetful, forgetful_with_a_dependency])
def test_an_awaitable_of_a_function_that_is_not_async_is_refused_and_never_awaited(jobs, run, function):
    task = jobs.task("t", max_retries=0)(function)
    said = "t: a function that isn't async returned an awaitable: define it with async def"
    job = run(task.submit(3))
    assert (job.status, job.error) == (JobStatus.FAILED, f"InvalidTypeError: {said}")
    with pytest.raises(InvalidTypeError, match=said):
        task(3)
    assert not any(event.startswith("work") for event in events)


@pytest.mark.parametrize("factory", [counted(work), Worker()], ids=["decorated", "object"])
def test_an_async_factory_is_known_under_its_wrappings(jobs, factory):
    need = Depends(functools.partial(factory, 1))

    def plain(made: set[int] = need) -> None: ...
    async def use(made: set[int] = need) -> set[int]:
        return made

    with pytest.raises(InvalidTypeError, match="an async dependency needs an async task"):
        jobs.task(plain)
    assert asyncio.run(jobs.task(use)()) == {1}


def collect(prefix: str, ids: list[UUID], suffix: str = "") -> set[UUID]:
    return {*ids} if prefix + suffix == "id." else set()


class Collector:
    def __call__(self, ids: list[UUID]) -> set[UUID]:
        return {*ids}


TYPED = {
    "decorated": functools.partial(counted(collect), "id", suffix="."),
    "partial": functools.partial(collect, "id", suffix="."),
    "partial by name": functools.partial(collect, prefix="id", suffix="."),
    "partial of a partial": functools.partial(functools.partial(collect, suffix="."), "id"),
    "object": Collector(),
    "method": Collector().__call__,
}


@pytest.mark.parametrize("function", TYPED.values(), ids=TYPED)
def test_annotations_are_read_where_the_function_was_written(queue, jobs, run, function):
    task = jobs.task("t")(function)
    job_id = task.submit(ids=[ID])
    assert queue.get_job(job_id).input_data == {"ids": [str(ID)]}
    assert run(job_id).result == [str(ID)]
    assert task.result_of(job_id) == {ID}
    with pytest.raises(InvalidArgumentError, match=r"t: ids: 0: Input should be a valid UUID"):
        task.submit(ids=["x"])


@pytest.mark.parametrize("name", ["prefix", "suffix"])
def test_what_a_partial_has_filled_in_is_no_argument(jobs, name):
    task = jobs.task("t")(functools.partial(collect, prefix="id", suffix="."))
    with pytest.raises(InvalidTypeError, match=f"t: {name} is given by the worker"):
        task.submit(ids=[], **{name: "x"})


def test_a_partial_may_fill_in_a_dependency(jobs, run):
    assert run(jobs.task("t")(functools.partial(work, held="mine")).submit(1)).result == [1]
    assert events == ["work with mine"]


def test_a_context_is_known_by_the_name_that_the_functions_module_has_for_it(jobs, run):
    def kind(c: Ctx) -> str:
        return c.job.job_type

    def use(c: Ctx, made: str = Depends(counted(kind))) -> str:
        return f"{made} {c.job.attempt}"

    assert run(jobs.task("t")(counted(use)).submit()).result == "t 1"


def test_a_generator_is_refused_under_its_wrappings(jobs):
    class Rows:
        def __call__(self) -> Iterator[int]:
            yield 1

    for function in (Rows(), staticmethod(resource), functools.partial(resource)):
        with pytest.raises(InvalidTypeError, match="a generator has no result"):
            jobs.task("t")(function)
