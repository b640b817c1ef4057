# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""arq."""

from __future__ import annotations

from typing import Any

from ..base import AsyncAdapter
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="arq",
    adapter="arq",
    requirements=("arq==0.28.0", "redis==5.3.1", "hiredis==3.5.0", "uvloop==0.23.0"),
    settings="max_jobs 100, poll_delay 0.5 s (default: it polls), results kept 1 day, uvloop",
    survives="yes: run again when its in-progress key expires (job_timeout 300 s + 10 s)",
    bulk=False,
    drain=1_500,
)


async def bench(_context: Any, text: str) -> dict[str, bool]:
    return run(text)


class Adapter(AsyncAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        from arq.connections import RedisSettings

        self.redis = RedisSettings.from_dsn(url)
        self.pool: Any = None

    def enqueue(self, texts: list[str]) -> None:
        async def all_of_them() -> None:
            from arq import create_pool

            if self.pool is None:
                self.pool = await create_pool(self.redis)
            for text in texts:
                await self.pool.enqueue_job("bench", text)

        self.wait(all_of_them())

    def work(self) -> None:
        from arq import Worker

        async def serve() -> None:
            worker = Worker(
                [bench], redis_settings=self.redis, max_jobs=100, keep_result=86400,
                job_timeout=self.lease or 300,
            )  # fmt: skip
            await worker.async_run()

        self.wait(serve())
