"""faciliter-jobs itself, through the same harness."""

from __future__ import annotations

from typing import Any

from ..base import BaseAdapter, chunks
from ..handler import run
from ..peer import Peer

PEER = Peer(
    name="faciliter-jobs",
    adapter="faciliter",
    requirements=(),
    settings="defaults",
    survives="yes: given to another after the lease (30 s)",
    bulk=True,
    drain=20_000,
    shows_version_of="faciliter-jobs",
)


class Adapter(BaseAdapter):
    def __init__(self, url: str, lease: int, options: str) -> None:
        super().__init__(url, lease, options)
        from faciliter_jobs import JobConfig, RedisJobQueue

        self.queue = RedisJobQueue(JobConfig.from_url(url))
        self.queue.connect()

    def enqueue(self, texts: list[str]) -> None:
        for text in texts:
            self.queue.submit_job("bench", {"p": text})

    def bulk(self, texts: list[str]) -> None:
        for chunk in chunks(texts):
            self.queue.submit_jobs([{"job_type": "bench", "input_data": {"p": text}} for text in chunk])

    def work(self) -> None:
        from faciliter_jobs import JobWorker

        def handle(job: Any) -> dict[str, bool]:
            return run(job.input_data["p"])

        worker = JobWorker(self.queue, lease=float(self.lease or 30))
        worker.register_function_handler("bench", handle)
        worker.start()
