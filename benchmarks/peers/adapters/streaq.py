# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""streaq."""

from __future__ import annotations

from ..base import AsyncAdapter, chunks
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="streaq",
    adapter="streaq",
    requirements=("streaq==7.2.0", "hiredis==3.5.0", "uvloop==0.23.0"),
    settings="concurrency 64, results kept 1 day, uvloop",
    survives="yes: claimed from the stream's pending entries after idle_timeout (60 s)",
    bulk=True,
    drain=2_000,
)


class Adapter(AsyncAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        from streaq import Worker

        self.worker = Worker(
            redis_url=url, concurrency=64, idle_timeout=lease or 60, anyio_kwargs={"use_uvloop": True}
        )

        @self.worker.task(name="bench", ttl=86400, silent=True)
        async def bench(text: str) -> dict[str, bool]:
            return run(text)

        self.task = bench

    def enqueue(self, texts: list[str]) -> None:
        async def all_of_them() -> None:
            async with self.worker:
                for text in texts:
                    await self.task.enqueue(text)

        self.wait(all_of_them())

    def bulk(self, texts: list[str]) -> None:
        async def all_of_them() -> None:
            async with self.worker:
                for chunk in chunks(texts):
                    await self.worker.enqueue_many([self.task.enqueue(text) for text in chunk])

        self.wait(all_of_them())

    def work(self) -> None:
        self.worker.run_sync()
