# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""Celery with Redis as broker and result backend."""

from __future__ import annotations

from ..base import BaseAdapter
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="celery",
    adapter="celery",
    requirements=("celery[redis]==5.7.0", "redis==8.1.0", "hiredis==3.5.0"),
    settings="solo pool, acks_late, prefetch multiplier 64, no gossip, mingle or heartbeat, results 1 day",
    survives="yes: redelivered after the visibility timeout (1 h)",
    bulk=False,
    drain=1_500,
)


class Adapter(BaseAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        from celery import Celery

        self.app = Celery("bench", broker=url, backend=url)
        self.app.conf.update(
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=64,
            worker_concurrency=1,
            worker_hijack_root_logger=False,
            broker_connection_retry_on_startup=True,
            broker_transport_options={"visibility_timeout": lease or 3600},
        )
        self.task = self.app.task(name="bench")(run)

    def enqueue(self, texts: list[str]) -> None:
        for text in texts:
            self.task.delay(text)

    def work(self) -> None:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
        self.app.worker_main(["worker", "--pool=solo", *quiet])
