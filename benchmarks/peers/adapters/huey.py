# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""huey on its Redis storage."""

from __future__ import annotations

from ..base import BaseAdapter
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="huey",
    adapter="huey",
    requirements=("huey==3.5.4", "redis==8.1.0", "hiredis==3.5.0"),
    settings="RedisHuey, results kept, 1 worker thread",
    survives="NO: a task leaves Redis when it is dequeued",
    bulk=False,
    drain=3_000,
)


class Adapter(BaseAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        from huey import RedisHuey

        self.huey = RedisHuey("bench", url=url, results=True)
        self.task = self.huey.task(name="bench")(run)

    def enqueue(self, texts: list[str]) -> None:
        for text in texts:
            self.task(text)

    def work(self) -> None:
        self.huey.create_consumer(workers=1, periodic=False).run()
