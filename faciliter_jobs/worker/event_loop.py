"""Event loops for async handlers: one for each thread that runs them one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable
from functools import partial
from typing import Any

from ..context import CancelFlag

_own = threading.local()


def new() -> asyncio.AbstractEventLoop:
    """An event loop of uvloop where that is installed, else of asyncio."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def run(awaitable: Awaitable[Any], flag: CancelFlag | None = None) -> Any:
    """Awaits it on this thread's own loop, which stays open for the next; cancels it when the flag is set."""
    if asyncio._get_running_loop() is not None:  # a worker started within a coroutine: a notebook, say
        return _run_in_a_thread(awaitable, flag)
    loop = getattr(_own, "loop", None)
    if loop is None or loop.is_closed():
        loop = _own.loop = new()
    task = loop.create_task(_awaited(awaitable))
    if flag is not None:
        flag.on_told(partial(_cancel, loop, task))
    try:
        return loop.run_until_complete(task)
    except BaseException:
        if not task.done():  # GiveUp came from a signal: let the handler's `finally` run
            task.cancel()
            loop.call_soon(loop.stop)
            loop.run_forever()
        raise


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed already
        loop.call_soon_threadsafe(task.cancel)


def close() -> None:
    """Ends this thread's loop, and the tasks that handlers have left on it."""
    loop = getattr(_own, "loop", None)
    if loop is not None and not loop.is_closed():
        end(loop)


def end(loop: asyncio.AbstractEventLoop) -> None:
    """Cancels what is left on a loop that doesn't run any more, and closes it."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    with contextlib.suppress(Exception):
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=1))
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _run_in_a_thread(awaitable: Awaitable[Any], flag: CancelFlag | None) -> Any:
    ended: list[Any] = []

    def work() -> None:
        try:
            ended.append((run(awaitable, flag), None))
        except BaseException as error:
            ended.append((None, error))
        finally:
            close()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    thread.join()
    result, error = ended[0]
    if error is not None:
        raise error
    return result
