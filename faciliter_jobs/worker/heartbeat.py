"""A thread that says that the worker lives, and renews the leases of what it holds."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from .. import scripts
from ..errors import JobQueueError
from ..queue import RedisJobQueue
from ..record import Claimed
from ..scripts import Outcome

log = logging.getLogger("faciliter_jobs.worker")

_TICK = 0.25  # seconds after which a job that was begun before the server said so is looked at


class Heartbeat:
    """Use as a context manager around the worker's loop."""

    def __init__(
        self,
        queue: RedisJobQueue,
        worker: str,
        types: Sequence[str],
        lease_ms: int,
        max_retries: int,
        on_gone: Callable[[str, str], None],
        confirm: Callable[[], None] | None = None,
    ) -> None:
        self._queue = queue
        self._worker = worker
        self._lease_ms = lease_ms
        self._max_retries = max_retries
        self._on_gone = on_gone  # token and id of a job that isn't ours any more
        self._confirm = confirm  # waits until the server has begun what is held; None: it has always
        self._info = json.dumps(
            {"host": socket.gethostname(), "pid": os.getpid(), "types": list(types), "lease": lease_ms / 1000}
        )
        self._held: dict[str, str] = {}  # job id -> token
        self._lock = threading.Lock()
        self._stop = False
        self._soon = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {worker}", daemon=True)
        self._healthy = True

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Before the worker leaves: a beat after that would bring it back."""
        self._stop = True
        self._soon.set()
        self._thread.join(timeout=self._queue.config.socket_timeout)

    def hold(self, jobs: Sequence[Claimed]) -> None:
        """An earlier attempt at one of the jobs, which lost its lease and goes on, isn't ours any more."""
        with self._lock:
            held = [(self._held.get(job.job_id), job) for job in jobs]
            lost = [(token, job.job_id) for token, job in held if token and token != job.token]
            self._held.update((job.job_id, job.token) for job in jobs)
        for token, job_id in lost:
            log.warning("job %s has lost its lease, and came back to this worker", job_id)
            self._on_gone(token, job_id)

    def let_go(self, attempts: Sequence[Claimed | Outcome]) -> None:
        """Of these attempts; a later one at the same job is kept."""
        with self._lock:
            for attempt in attempts:
                self._let_go(attempt.job_id, attempt.token)

    def _let_go(self, job_id: str, token: str) -> bool:
        is_held = self._held.get(job_id) == token
        if is_held:
            del self._held[job_id]
        return is_held

    def beat_soon(self) -> None:
        """Has the thread renew now, and look whether something has been cancelled unheard."""
        self._soon.set()

    def beat(self) -> dict[str, str]:
        """Renews now. Returns what of those held isn't this worker's any more: ids and tokens."""
        with self._lock:
            held = list(self._held.items())
        if self._confirm is not None:
            self._confirm()
        call = scripts.heartbeat(
            self._queue.tag,
            worker=self._worker,
            lease_ms=self._lease_ms,
            alive_ms=self._lease_ms * 2,
            max_retries=self._max_retries,
            info=self._info,
            held=held,
        )
        tokens = dict(held)
        return {job_id: tokens[job_id] for job_id in self._queue.transport.run(call)}

    def _run(self) -> None:
        interval = self._lease_ms / 3000
        tick = interval if self._confirm is None else _TICK
        due = time.monotonic() + interval
        while True:
            is_wanted = self._soon.wait(min(tick, max(0.0, due - time.monotonic())))
            self._soon.clear()
            if self._stop:
                return
            try:
                if self._confirm is not None and not is_wanted and time.monotonic() < due:
                    self._confirm()
                    continue
                due = time.monotonic() + interval  # also when it fails
                gone = self.beat()
                self._note(healthy=True)
            except Exception as error:  # a thread that ended would leave the worker without leases, unseen
                self._note(healthy=False, error=error)
                continue
            self._report(gone)

    def _report(self, gone: Mapping[str, str]) -> None:
        with self._lock:
            # Not one that has ended meanwhile, nor a later attempt of the same job.
            lost = [(job_id, token) for job_id, token in gone.items() if self._let_go(job_id, token)]
        for job_id, token in lost:
            log.warning("job %s isn't ours any more (cancelled, or its lease was lost)", job_id)
            self._on_gone(token, job_id)

    def _note(self, *, healthy: bool, error: Exception | None = None) -> None:
        """One line per change of state, not per beat."""
        if healthy != self._healthy:
            self._healthy = healthy
            if healthy:
                log.info("heartbeat: leases are renewed again")
            else:
                unexpected = None if isinstance(error, JobQueueError) else error
                log.warning("heartbeat: can't renew leases: %s", error, exc_info=unexpected)
