# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""SAQ on Redis."""

from __future__ import annotations

from typing import Any

from ..base import AsyncAdapter
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="saq",
    adapter="saq",
    requirements=(
        "saq[redis,hiredis]==0.26.4",
        "redis==7.4.1",
        "hiredis==3.5.0",
        "uvloop==0.23.0",
        "typing_extensions==4.15.0",
    ),
    settings="concurrency 100, results kept 1 day, retries 3, uvloop",
    survives="yes: swept (every 60 s) and retried after the job's timeout (10 s) when it may be retried",
    bulk=False,
    drain=3_000,
)


async def bench(_context: Any, *, text: str) -> dict[str, bool]:
    return run(text)


class Adapter(AsyncAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        from saq import Queue

        self.queue = Queue.from_url(url)
        self.job_options: dict[str, Any] = {"ttl": 86400, "retries": 3}
        if lease:
            self.job_options["timeout"] = lease

    def enqueue(self, texts: list[str]) -> None:
        async def all_of_them() -> None:
            for text in texts:
                await self.queue.enqueue("bench", text=text, **self.job_options)

        self.wait(all_of_them())

    def work(self) -> None:
        from saq import Worker

        timers = {"sweep": self.lease} if self.lease else {}
        self.wait(Worker(self.queue, [bench], concurrency=100, timers=timers).start())
