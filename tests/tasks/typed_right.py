"""Read by type checkers, which must find nothing wrong here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from typing_extensions import assert_type

import faciliter_jobs
import faciliter_lib.jobs
from faciliter_jobs import Depends, JobApp, JobContext
from faciliter_jobs.aio_tenant import AsyncCompanyQueue

assert_type(faciliter_jobs.AsyncCompanyQueue, type[AsyncCompanyQueue])
assert_type(faciliter_lib.jobs.AsyncCompanyQueue, type[AsyncCompanyQueue])

jobs = JobApp(company_id="acme", max_retries=1)


@jobs.task
def resize(path: str, width: int, *, crop: bool = False) -> str:
    return path


@jobs.task("images.blur", max_retries=2, ttl=60)
def blur(ctx: JobContext, path: str, radius: float = 1.0) -> bytes:
    ctx.progress(50, "half")
    ctx.log("blurred %s", path)
    ctx.log.warning("slow: %s", path)
    ctx.state.anything.at.all()
    return b""


@jobs.task
async def fetch(url: str) -> dict[str, int]:
    return {}


@jobs.task("deep.fetch")
async def deep(ctx: JobContext, url: str, depth: int = 1) -> list[str]:
    return []


class Database: ...


def open_db(ctx: JobContext) -> Iterator[Database]:
    yield Database()


async def open_async() -> AsyncIterator[Database]:
    yield Database()


def number() -> int:
    return 1


@jobs.task
async def store(
    row: str,
    db: Database = Depends(open_db),
    other: Database = Depends(open_async),
    n: int = Depends(number),
) -> None: ...


def use() -> None:
    assert_type(resize("a", 1), str)
    assert_type(resize.submit("a", width=1, crop=True), str)
    assert_type(resize.result_of("id"), str | None)
    assert_type(blur("a", 2.0), bytes)
    assert_type(blur.submit("a"), str)
    assert_type(blur.result_of("id"), bytes | None)
    assert_type(fetch.submit("u"), str)
    assert_type(fetch.result_of("id"), dict[str, int] | None)
    assert_type(deep.result_of("id"), list[str] | None)
    assert_type(resize.options(company_id="c", delay=5).submit("a", 1), str)
    assert_type(resize.submit_many(resize.spec("a", width) for width in range(3)), list[str])
    assert_type(store.submit("row"), str)
    assert_type(resize.start("a", 1).result(timeout=5), str)
    assert_type(deep.handle("id").result(), list[str])
    assert_type(blur.load_result(None), bytes)


async def use_async() -> None:
    assert_type(await fetch("u"), dict[str, int])
    assert_type(await deep("u", depth=2), list[str])
