# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""dramatiq on Redis."""

from __future__ import annotations

import time

from ..base import BaseAdapter
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="dramatiq",
    adapter="dramatiq",
    requirements=("dramatiq==2.2.1", "redis==8.1.0", "hiredis==3.5.0"),
    settings="8 worker threads, results kept 1 day",
    survives="yes: requeued after the heartbeat's timeout (60 s) when someone else does maintenance",
    bulk=False,
    drain=3_000,
)


class Adapter(BaseAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        import dramatiq
        from dramatiq.brokers.redis import RedisBroker
        from dramatiq.results import Results
        from dramatiq.results.backends import RedisBackend

        self.broker = RedisBroker(url=url, heartbeat_timeout=(lease or 60) * 1000)
        self.broker.add_middleware(
            Results(backend=RedisBackend(url=url), store_results=True, result_ttl=86_400_000)
        )
        dramatiq.set_broker(self.broker)
        self.actor = dramatiq.actor(run, actor_name="bench", broker=self.broker)

    def enqueue(self, texts: list[str]) -> None:
        for text in texts:
            self.actor.send(text)

    def work(self) -> None:
        from dramatiq import Worker

        Worker(self.broker, worker_threads=8).start()
        while True:
            time.sleep(60)
