"""An application that a supervisor serves."""

from __future__ import annotations

import os

from faciliter_jobs import JobApp, JobContext

jobs = JobApp()


@jobs.on_startup
def note(state) -> None:
    state.pid = os.getpid()


@jobs.task
async def where(ctx: JobContext) -> list[int]:
    return [ctx.state.pid, os.getpid()]
