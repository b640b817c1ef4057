"""What a user wants to be run when a worker process starts and ends."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

log = logging.getLogger("faciliter_jobs.worker")

Hook = Callable[[], Any]  # sync or async
Runner = Callable[[Awaitable[Any]], Any]


class Hooks:
    def __init__(self) -> None:
        self.startup: list[Hook] = []
        self.shutdown: list[Hook] = []

    def started(self, run: Runner) -> None:
        """Raises what a hook raises: a worker that isn't set up must not run jobs."""
        for hook in self.startup:
            _call(hook, run)

    def ended(self, run: Runner) -> None:
        """In the opposite order. One that fails doesn't keep the others from being run."""
        for hook in reversed(self.shutdown):
            try:
                _call(hook, run)
            except Exception:
                log.exception("an on_shutdown function failed")


def _call(hook: Hook, run: Runner) -> None:
    result = hook()
    if inspect.isawaitable(result):
        run(result)
