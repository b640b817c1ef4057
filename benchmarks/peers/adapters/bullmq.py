# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""BullMQ's Python package."""

from __future__ import annotations

import asyncio
from typing import Any

from ..base import AsyncAdapter, chunks
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="bullmq (Python)",
    adapter="bullmq",
    requirements=("bullmq==3.4.4", "redis==8.1.0", "hiredis==3.5.0", "uvloop==0.23.0"),
    settings="concurrency 100, completed jobs kept, uvloop",
    survives="yes: stalled jobs wait again, after lock and stalled check (30 s each)",
    bulk=True,
    drain=3_000,
)


class Adapter(AsyncAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        self.queue: Any = None

    async def _queue(self) -> Any:
        if self.queue is None:
            from bullmq import Queue

            self.queue = Queue("bench", {"connection": self.url})
        return self.queue

    def enqueue(self, texts: list[str]) -> None:
        async def all_of_them() -> None:
            queue = await self._queue()
            for text in texts:
                await queue.add("bench", {"p": text}, {"removeOnComplete": False})

        self.wait(all_of_them())

    def bulk(self, texts: list[str]) -> None:
        async def all_of_them() -> None:
            queue = await self._queue()
            options = {"removeOnComplete": False}
            for chunk in chunks(texts):
                await queue.addBulk([{"name": "bench", "data": {"p": t}, "opts": options} for t in chunk])

        self.wait(all_of_them())

    def work(self) -> None:
        async def serve() -> None:
            from bullmq import Worker

            async def process(job: Any, _token: str) -> dict[str, bool]:
                return run(job.data["p"])

            options: dict[str, Any] = {"connection": self.url, "concurrency": 100}
            if self.lease:
                options |= {"lockDuration": self.lease * 1000, "stalledInterval": self.lease * 1000}
            self.worker = Worker("bench", process, options)
            await asyncio.Event().wait()

        self.wait(serve())
