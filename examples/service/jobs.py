"""What its workers run: one task that waits and one that keeps the CPU busy.

faciliter-jobs worker examples.service.jobs:jobs --processes 2 --concurrency 100 --executor asyncio
"""

from __future__ import annotations

import asyncio
import hashlib

from faciliter_jobs import JobApp, JobContext

jobs = JobApp()


@jobs.task(timeout=30)
async def fetch(job: JobContext, pages: int) -> list[str]:
    """Waits, as for an answer from elsewhere: hundreds at a time in one process."""
    found = []
    for page in range(pages):
        await asyncio.sleep(0.2)
        found.append(f"page {page + 1}")
        await job.progress_async((page + 1) * 100 // pages, f"{page + 1} of {pages} pages")
    return found


@jobs.task(max_retries=1)
def digest(text: str, rounds: int = 100_000) -> str:
    """Computes: as many at a time as there are processes."""
    value = text.encode()
    for _ in range(rounds):
        value = hashlib.sha256(value).digest()
    return value.hex()
