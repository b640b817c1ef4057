"""What tasks need and no producer sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from faciliter_jobs import InvalidTypeError, JobStatus
from faciliter_jobs.tasks import Depends, JobContext


class Database:
    def __init__(self) -> None:
        self.events: list[str] = []


DB = Database()


@pytest.fixture(autouse=True)
def _fresh():
    DB.events.clear()


def open_db() -> Iterator[Database]:
    DB.events.append("open")
    try:
        yield DB
    except ValueError as error:
        DB.events.append(f"rollback: {error}")
        raise
    finally:
        DB.events.append("close")


def table(ctx: JobContext, db: Database = Depends(open_db)) -> str:
    return f"table of {ctx.job.job_type}"


def test_a_dependency_is_made_before_the_task_and_closed_after(jobs, run):
    @jobs.task
    def load(name: str, db: Database = Depends(open_db)) -> str:
        db.events.append(name)
        return name

    job = run(load.submit("rows"))
    assert (job.result, job.input_data) == ("rows", {"name": "rows"})
    assert DB.events == ["open", "rows", "close"]


def test_it_sees_the_tasks_error_which_goes_on(jobs, run):
    @jobs.task(max_retries=0)
    def load(db: Database = Depends(open_db)) -> None:
        raise ValueError("bad row")

    job = run(load.submit())
    assert (job.status, job.error) == (JobStatus.FAILED, "ValueError: bad row")
    assert DB.events == ["open", "rollback: bad row", "close"]


def test_one_that_swallows_the_error_does_not_hide_it(jobs, run):
    def quiet() -> Iterator[int]:
        try:
            yield 1
        except ValueError:
            DB.events.append("swallowed")

    @jobs.task(max_retries=0)
    def load(n: int = Depends(quiet)) -> None:
        raise ValueError("bad row")

    assert run(load.submit()).error == "ValueError: bad row"
    assert DB.events == ["swallowed"]


def test_dependencies_have_their_own_and_each_is_made_once_a_job(jobs, run):
    @jobs.task
    def load(name: str = Depends(table), db: Database = Depends(open_db)) -> str:
        return name

    assert run(load.submit()).result == "table of load"
    assert DB.events.count("open") == 2, "two Depends(...) are two dependencies"

    shared = Depends(open_db)

    @jobs.task
    def both(a: Database = shared, b: Database = shared) -> bool:
        return a is b

    DB.events.clear()
    assert run(both.submit()).result is True
    assert DB.events == ["open", "close"]


def test_an_in_line_call_makes_them_or_takes_what_it_is_given(jobs):
    @jobs.task
    def load(name: str, db: Database = Depends(open_db)) -> Database:
        return db

    assert load("x") is DB
    other = Database()
    assert load("x", db=other) is other
    assert DB.events == ["open", "close"]


def test_a_dependency_is_not_submitted(jobs):
    @jobs.task
    def load(db: Database = Depends(open_db)) -> None: ...

    with pytest.raises(InvalidTypeError, match="load: db is given by the worker"):
        load.submit(db=Database())


async def connect() -> AsyncIterator[Database]:
    DB.events.append("connect")
    yield DB
    DB.events.append("disconnect")


async def number() -> int:
    await asyncio.sleep(0)
    return 7


def test_an_async_task_takes_factories_of_every_kind(jobs):
    @jobs.task
    async def load(
        name: str,
        a: Database = Depends(connect),
        b: int = Depends(number),
        c: Database = Depends(open_db),
        d: list[str] = Depends(list),
    ) -> tuple[str, bool, int, list[str]]:
        return name, a is c, b, d

    assert asyncio.run(load("x")) == ("x", True, 7, [])
    assert DB.events == ["connect", "open", "close", "disconnect"]


def test_an_async_dependency_needs_an_async_task(jobs):
    def load(a: Database = Depends(connect)) -> None: ...

    with pytest.raises(InvalidTypeError, match="load: a: an async dependency needs an async task"):
        jobs.task(load)


def test_a_factory_with_other_parameters_is_refused():
    def factory(url: str) -> int:
        return 1

    with pytest.raises(InvalidTypeError, match="factory's parameter url is neither"):
        Depends(factory)
