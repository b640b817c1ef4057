# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""taskiq with taskiq-redis's stream broker, which acknowledges (its list broker does not)."""

from __future__ import annotations

from typing import Any

from ..base import AsyncAdapter
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="taskiq (streams)",
    adapter="taskiq",
    requirements=(
        "taskiq==0.13.0",
        "taskiq-redis==1.2.4",
        "redis==8.1.0",
        "hiredis==3.5.0",
        "orjson==3.13.0",
        "uvloop==0.23.0",
    ),
    settings="RedisStreamBroker, acknowledged when saved, 100 tasks at once, ORJSON, results 1 day, uvloop",
    survives="yes: claimed from the group's pending entries after idle_timeout (10 min)",
    bulk=False,
    drain=3_000,
)


class Adapter(AsyncAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        from taskiq.serializers import ORJSONSerializer
        from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

        idle: dict[str, Any] = {"idle_timeout": lease * 1000, "xread_block": 1000} if lease else {}
        backend: Any = RedisAsyncResultBackend(url, result_ex_time=86400)
        # Id "0": tasks that were sent before the first worker came are read too.
        broker: Any = RedisStreamBroker(url, consumer_id="0", **idle)
        self.broker = broker.with_result_backend(backend).with_serializer(ORJSONSerializer())

        @self.broker.task(task_name="bench")
        async def bench(text: str) -> dict[str, bool]:
            return run(text)

        self.task = bench
        self.started = False

    def enqueue(self, texts: list[str]) -> None:
        async def all_of_them() -> None:
            if not self.started:
                self.started = True
                await self.broker.startup()
            for text in texts:
                await self.task.kiq(text)

        self.wait(all_of_them())

    def work(self) -> None:
        from taskiq.acks import AcknowledgeType
        from taskiq.api import run_receiver_task

        async def serve() -> None:
            await run_receiver_task(
                self.broker, run_startup=True, max_async_tasks=100, max_prefetch=100,
                ack_time=AcknowledgeType.WHEN_SAVED,
            )  # fmt: skip

        self.wait(serve())
