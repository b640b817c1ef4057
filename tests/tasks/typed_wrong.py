"""Read by type checkers, which must find an error in each line that says so, and in no other."""

from __future__ import annotations

import faciliter_jobs
import faciliter_lib.jobs
from tests.tasks.typed_right import blur, deep, fetch, resize, store


def use() -> None:
    resize.submit("a", "wide")  # wrong: type
    resize.submit("a")  # wrong: missing
    resize.submit("a", 1, True)  # wrong: keyword only
    resize.submit("a", 1, height=2)  # wrong: unknown
    resize.submit_many([("a", 1)])  # wrong: not specs
    resize.spec("a", None)  # wrong: type
    resize.options(colour="red")  # wrong: unknown option
    resize.options(delay="soon")  # wrong: type of an option
    resize.options(delay=5).submit(1, 1)  # wrong: type, through options
    blur.submit(b"a")  # wrong: type, after the context
    blur.submit(None, "a")  # wrong: the context is not submitted
    fetch.submit(1)  # wrong: type, async
    deep.submit("u", depth="2")  # wrong: type, async with context
    store.submit(1)  # wrong: type, with dependencies
    x: int = resize.submit("a", 1)  # wrong: the id is a string
    y: int = resize("a", 1)  # wrong: the function's own type
    z: list[int] = fetch.result_of("id")  # wrong: the result's type
    resize.start("a", "wide")  # wrong: type
    s: int = resize.start("a", 1).result()  # wrong: the result's type
    faciliter_jobs.submit_jbo("t")  # wrong: no such name
    faciliter_lib.jobs.submit_jbo("t")  # wrong: no such name
    print(x, y, z, s)
