"""A producer process of the harness: submits, reads, cancels, completes and retries. What it asks for
is a function of its seed; what comes of it isn't."""

from __future__ import annotations

import random
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from faciliter_jobs import AsyncJobQueue, JobConfig, JobStatus
from faciliter_jobs.errors import JobQueueError, QueueFullError

from .aio import FromThreads, event_loop
from .recording import Recorder, recording_queue

TASKS = 3  # of an AsyncJobQueue, at once
COMPANIES = 8
_REMEMBERED = 2_000  # of its own latest jobs
_LOOK_EVERY = 0.1  # seconds between two looks at the backlog


class Producer:
    def __init__(self, queue: Any, recorder: Recorder, name: str, seed: str, backlog: int) -> None:
        self._queue = queue
        self._recorder = recorder
        self._name = name
        self._random = random.Random(seed)
        self._backlog = backlog  # more jobs than that shall not wait
        self._latest: deque[str] = deque(maxlen=_REMEMBERED)
        self._batches: deque[list[dict[str, Any]]] = deque(maxlen=30)
        self._number = 0
        self._stopping = False
        self._looked_at = 0.0

    def stop(self) -> None:
        self._stopping = True

    def run(self) -> None:
        calls: dict[Callable[[], None], int] = {
            self._bulk: 50,
            self._mixed: 14,
            self._one: 14,
            self._again: 3,
            self._cancel: 4,
            self._complete: 3,
            self._fail: 3,
            self._look: 6,
            self._dead_letters: 3,
        }
        while not self._stopping:
            (call,) = self._random.choices(list(calls), list(calls.values()))
            try:
                call()
                self._hold_back()
            except QueueFullError:
                time.sleep(0.05)
            except JobQueueError:
                time.sleep(0.02)

    def _hold_back(self) -> None:
        if time.monotonic() - self._looked_at < _LOOK_EVERY:
            return
        while not self._stopping:
            self._looked_at = time.monotonic()
            counts = self._queue.stats(limit=1).counts
            if counts[JobStatus.PENDING] + counts[JobStatus.PROCESSING] < self._backlog:
                return
            time.sleep(0.05)

    # --- submits ----------------------------------------------------------------------------------

    def _spec(self, job_type: str = "noop", **fields: Any) -> dict[str, Any]:
        self._number += 1
        company = f"c{self._random.randrange(COMPANIES)}"
        return {
            "job_type": job_type,
            "job_id": f"{self._name}-{self._number}",
            "company_id": company,
            **fields,
        }

    def _submit(self, specs: list[dict[str, Any]]) -> None:
        self._latest.extend(spec["job_id"] for spec in specs)  # known even when the reply gets lost
        self._batches.append(specs)
        self._queue.submit_jobs(specs)

    def _bulk(self) -> None:
        self._submit([self._spec() for _ in range(self._random.randint(50, 250))])

    def _mixed(self) -> None:
        given = self._random
        user = f"u{given.randrange(40)}"
        self._submit(
            [
                self._spec(delay=round(given.uniform(0.05, 2), 2)),
                self._spec("flaky", input_data={"fails": given.randint(0, 2)}, user_id=user),
                self._spec(
                    "flaky", input_data={"fails": 99}, max_retries=given.randint(0, 2), retry_delay=0.05
                ),
                self._spec("inside", user_id=user),
                self._spec(max_retries=0),
                self._spec("slow", input_data={"seconds": round(given.uniform(0.002, 0.03), 4)}),
            ]
        )
        if given.random() < 0.03:
            self._submit([self._spec("slow", input_data={"seconds": 0.3})])

    def _one(self) -> None:
        for _ in range(self._random.randint(1, 6)):
            spec = self._spec()
            self._latest.append(spec["job_id"])
            self._queue.submit_job(**spec)

    def _again(self) -> None:
        """What a caller does who was told that the outcome is unknown: the same ids once more, soon or
        late, when most of them have run."""
        if self._batches:
            self._queue.submit_jobs(self._random.choice(self._batches))

    # --- the rest ---------------------------------------------------------------------------------

    def _some(self) -> str | None:
        return self._random.choice(self._latest) if self._latest else None

    def _cancel(self) -> None:
        if job_id := self._some():
            self._queue.cancel_job(job_id)

    def _complete(self) -> None:
        if job_id := self._some():
            self._queue.complete_job(job_id, {"from": "outside"})

    def _fail(self) -> None:
        if job_id := self._some():
            if self._random.random() < 0.5:
                self._queue.fail_job(job_id, "from outside")
            else:
                self._queue.fail(job_id, "from outside", retry_delay=0.1)

    def _look(self) -> None:
        for _ in range(5):
            if job_id := self._some():
                self._recorder.look(self._queue, job_id)

    def _dead_letters(self) -> None:
        for status in (JobStatus.FAILED, JobStatus.CANCELLED):
            for job in self._queue.list_jobs(status, limit=3):
                self._queue.retry_job(job.job_id)


def produce(
    config: JobConfig, recorder: Recorder, name: str, seed: str, *, jumping_clock: bool, backlog: int
) -> None:
    """Until SIGTERM. The processes of a slot have a RedisJobQueue and an AsyncJobQueue in turn: `p1-2` is the
    second one of slot 1."""
    producers: list[Producer] = []

    def stop(*_: object) -> None:
        for producer in producers:
            producer.stop()

    signal.signal(signal.SIGTERM, stop)
    slot, _, generation = name[1:].partition("-")
    if (int(slot) + int(generation)) % 2 == 0:
        queue = recording_queue(config, recorder, jumping_clock=jumping_clock)
        producers.append(Producer(queue, recorder, name, seed, backlog))
        producers[0].run()
        return
    shared = recording_queue(config, recorder, jumping_clock=jumping_clock, kind=AsyncJobQueue)
    with event_loop() as loop, ThreadPoolExecutor(TASKS) as threads:
        for number in range(TASKS):
            own = f"{seed}:{number}"
            queue = FromThreads(shared, loop, random.Random(own))
            producers.append(Producer(queue, recorder, f"{name}-{number}", own, backlog))
        running = [threads.submit(producer.run) for producer in producers]
        try:
            for ended in as_completed(running):
                ended.result()
        finally:
            stop()


def submit_greedy(config: JobConfig, recorder: Recorder, name: str, jumping_clock: bool) -> None:
    """One job that will starve its worker's heartbeat."""
    queue = recording_queue(config, recorder, jumping_clock=jumping_clock)
    queue.submit_job("greedy", job_id=name)
    queue.close()
