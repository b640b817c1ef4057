# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""RQ, with its SimpleWorker (jobs in the worker's process) and its default worker (a fork a job)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..base import BaseAdapter, chunks
from ..handler import run
from ..peer import Peer

SIMPLE = Peer(
    name="rq (SimpleWorker)",
    adapter="rq",
    requirements=("rq==3.0.0", "redis==8.1.0", "hiredis==3.5.0"),
    settings="SimpleWorker, retry up to 3, results kept 1 day",
    survives="yes with Retry: found by the registry's cleaning (every 10 min) after job_timeout + 60 s",
    bulk=True,
    drain=400,
    every=1,
    options="simple",
)
FORKING = replace(
    SIMPLE,
    name="rq (Worker)",
    settings="Worker (default: a fork a job), retry up to 3, results kept 1 day",
    survives="yes with Retry: found by the registry's cleaning (every 10 min) after 90 s",
    drain=100,
    options="fork",
)


class Adapter(BaseAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        from redis import Redis
        from rq import Queue, Retry

        self.redis = Redis.from_url(url)
        self.queue = Queue("bench", connection=self.redis)
        self.job_options: dict[str, Any] = {
            "result_ttl": 86400, "retry": Retry(max=3), "description": "bench",
        }  # fmt: skip
        self.timeout = {"job_timeout": lease} if lease else {}

    def enqueue(self, texts: list[str]) -> None:
        for text in texts:
            self.queue.enqueue(run, text, **self.job_options, **self.timeout)

    def bulk(self, texts: list[str]) -> None:
        from rq import Queue

        for chunk in chunks(texts):
            self.queue.enqueue_many([Queue.prepare_data(run, (t,), **self.job_options) for t in chunk])

    def work(self) -> None:
        from rq import SimpleWorker, Worker

        kind = SimpleWorker if self.options == "simple" else Worker
        options = (
            {"maintenance_interval": self.lease, "job_monitoring_interval": self.lease} if self.lease else {}
        )
        worker = kind([self.queue], connection=self.redis, log_job_description=False, **options)
        worker.work(logging_level="WARNING")
