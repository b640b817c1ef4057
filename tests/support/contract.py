"""A stage for the scripts: brings jobs into each state that there is, calls a script, and checks after
every call that the queue is sound and that each job moved as TRANSITIONS allows."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from faciliter_jobs import Job, RedisJobQueue, scripts
from faciliter_jobs import keys as key_names
from faciliter_jobs.job import TRANSITIONS, JobStatus
from faciliter_jobs.record import Claimed
from faciliter_jobs.scripts import Call, Ending, NewJob, Outcome
from faciliter_jobs.scripts.compose import compose, lua_folder
from tests.support.clock import Clock
from tests.support.server import client_of

WORKER = "w1"
LEASE_MS = 10_000
TTL_MS = 3_600_000

# Every state that a job can be in.
MISSING = "missing"
IN_LANE = "pending in a lane"
SCHEDULED = "scheduled"
IN_INBOX = "handed over, in an inbox"
PICKED_UP = "handed over, in the processing list"
PROCESSING = "processing"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"
PENDING_STATES = (IN_LANE, SCHEDULED, IN_INBOX, PICKED_UP)
TERMINAL_STATES = (COMPLETED, FAILED, CANCELLED)
STATES = (MISSING, *PENDING_STATES, PROCESSING, *TERMINAL_STATES)

# The place that a state means, as `Stage.places` names it.
PLACE_OF = {
    IN_LANE: ["lane"],
    SCHEDULED: ["scheduled"],
    IN_INBOX: ["inbox:w1", "leases"],
    PICKED_UP: ["leases", "processing:w1"],
    PROCESSING: ["leases", "processing:w1"],
    COMPLETED: ["completed"],
    FAILED: ["failed"],
    CANCELLED: ["cancelled"],
    MISSING: [],
}

# Scripts that do what others do, too.
TENDING = ("promote", "recover", "cleanup")
DELEGATES: dict[str, tuple[str, ...]] = {
    "turn": ("complete", "fail", "claim"),
    "tend": TENDING,
    "park": ("claim", "adopt", *TENDING),
}

_EXPIRES = "-- include: record\nreturn record.expires_at(record.read(ARGV[1]))"
_PLACES = ("lane:", "scheduled", "inbox:", "processing:", "leases", "completed", "failed", "cancelled")
_KEPT_WITHOUT_JOBS = {"seq", "meta", "test-clock"}


def moves_of(script: str) -> set[tuple[JobStatus | None, JobStatus | None]]:
    """What TRANSITIONS lets a script do, itself or as those that it does the work of."""
    names = {script, *DELEGATES.get(script, ())}
    return {pair for pair, by in TRANSITIONS.items() if by & names}


class Stage:
    def __init__(self, queue: RedisJobQueue, clock: Clock, *, flush: bool = False) -> None:
        self.queue = queue
        self.clock = clock
        self.tag = queue.tag
        self.flush = flush  # the server loses its scripts before every call
        self.check = True
        self._number = 0

    @cached_property
    def client(self) -> Any:
        return client_of(self.queue.config)

    # --- calls ------------------------------------------------------------------------------------

    def run(self, call: Call[Any]) -> Any:
        if not self.check:
            return self.queue.transport.run(call)
        before = self._statuses()
        if self.flush:
            self.client.script_flush()
        reply = self.queue.transport.run(call)
        assert (found := self.queue.doctor()) == [], found
        allowed = moves_of(call.script)
        for job_id, status in {**dict.fromkeys(before), **self._statuses()}.items():
            was = before.get(job_id)
            if was is not status:
                assert (was, status) in allowed, f"{call.script} moved a job from {was} to {status}"
        return reply

    def new_job(self, **fields: Any) -> NewJob:
        self._number += 1
        job = NewJob(
            job_id=f"job-{self._number}",
            job_type="t",
            company="acme",
            user="ann",
            session=None,
            input=None,
            metadata=None,
            ttl_ms=TTL_MS,
            max_retries=None,
            retry_delay_ms=None,
            delay_ms=None,
            run_at_ms=None,
        )
        return replace(job, **fields)

    def submit(self, **fields: Any) -> str:
        job = self.new_job(**fields)
        self.run(scripts.submit_one(self.tag, job=job))
        return job.job_id

    def submit_many(self, count: int, **fields: Any) -> list[str]:
        jobs = [self.new_job(**fields) for _ in range(count)]
        self.run(scripts.submit(self.tag, jobs=jobs))
        return [job.job_id for job in jobs]

    def claim(self, want: int = 1, worker: str = WORKER, types: tuple[str, ...] = ("t",)) -> list[Claimed]:
        call = scripts.claim(self.tag, worker=worker, lease_ms=LEASE_MS, want=want, types=types)
        return self.run(call)

    def claim_one(self, worker: str = WORKER) -> Claimed:
        (claimed,) = self.claim(1, worker)
        return claimed

    def park(
        self,
        worker: str = WORKER,
        *,
        types: tuple[str, ...] = ("t",),
        want: int = 1,
        slots: int = 1,
        park_ms: int = 5_000,
        tend_limit: int = 0,
        known: tuple[str, ...] = (),
    ) -> scripts.Parked:
        call = scripts.park(
            self.tag,
            worker=worker,
            lease_ms=LEASE_MS,
            park_ms=park_ms,
            want=want,
            slots=slots,
            tend_limit=tend_limit,
            types=types,
            known=known,
        )
        return self.run(call)

    def pick_up(self, worker: str = WORKER) -> None:
        """What a parked worker's BLMOVE does."""
        inbox, processing = key_names.inbox(self.tag, worker), key_names.processing(self.tag, worker)
        assert self.client.lmove(inbox, processing, "LEFT", "RIGHT") is not None
        assert (found := self.queue.doctor()) == [], found

    def shown(self, worker: str = WORKER) -> list[Any]:
        """What the call behind a parked worker's BLMOVE shows it."""
        return self.run(scripts.handed(self.tag, worker=worker, read=lambda reply: reply))

    def adopt(self, worker: str = WORKER, known: tuple[str, ...] = ()) -> list[Claimed]:
        return self.run(scripts.adopt(self.tag, worker=worker, lease_ms=LEASE_MS, known=known))

    def turn(
        self,
        outcomes: list[Outcome],
        want: int = 0,
        *,
        slots: int = 1,
        park_ms: int = 0,
        worker: str = WORKER,
        types: tuple[str, ...] = ("t",),
    ) -> scripts.Turned:
        call = scripts.turn(
            self.tag,
            worker=worker,
            lease_ms=LEASE_MS,
            want=want,
            slots=slots,
            park_ms=park_ms,
            types=types,
            outcomes=outcomes,
        )
        return self.run(call)

    def expires_at(self, job_id: str) -> int:
        """When the scripts take its ttl to have passed, in ms."""
        with TemporaryDirectory() as folder:
            (Path(folder) / "lib").symlink_to(lua_folder() / "lib")
            (Path(folder) / "expires.lua").write_text(_EXPIRES)
            text = compose("expires", Path(folder)).text
        return int(self.client.eval(text, 1, self.tag, job_id))

    def complete(
        self, job_id: str, token: str = "", op: str = "op-complete", result: bytes = b"\xc0"
    ) -> Ending:
        return self.run(scripts.complete(self.tag, job_id=job_id, token=token, op=op, result=result))

    def fail(
        self,
        job_id: str,
        token: str = "",
        op: str = "op-fail",
        *,
        error: str = "broken",
        traceback: str = "",
        delay_ms: int = 0,
        max_retries: int | None = -1,
    ) -> Ending:
        call = scripts.fail(
            self.tag,
            job_id=job_id,
            token=token,
            op=op,
            error=error,
            traceback=traceback,
            retry_delay_ms=delay_ms,
            max_retries=max_retries,
        )
        return self.run(call)

    def cancel(self, job_id: str, op: str = "op-cancel", reason: str = "unwanted") -> Ending:
        return self.run(scripts.cancel(self.tag, job_id=job_id, op=op, reason=reason))

    def retry(self, job_id: str, op: str = "op-retry") -> Ending:
        return self.run(scripts.retry(self.tag, job_id=job_id, op=op))

    def progress(
        self, job_id: str, progress: int, token: str = "", message: str = "", backwards: bool = False
    ) -> Ending:
        call = scripts.progress(
            self.tag, job_id=job_id, token=token, progress=progress, message=message, backwards=backwards
        )
        return self.run(call)

    def heartbeat(
        self,
        worker: str = WORKER,
        held: tuple[tuple[str, str], ...] = (),
        *,
        alive_ms: int = 30_000,
        max_retries: int = 3,
        info: str = "{}",
    ) -> list[str]:
        call = scripts.heartbeat(
            self.tag,
            worker=worker,
            lease_ms=LEASE_MS,
            alive_ms=alive_ms,
            max_retries=max_retries,
            info=info,
            held=held,
        )
        return self.run(call)

    def leave(self, worker: str = WORKER) -> list[str]:
        return self.run(scripts.leave(self.tag, worker=worker))

    def bury(self, worker: str = WORKER, why: str = "was killed") -> list[str]:
        return self.run(scripts.lose(self.tag, worker=worker, why=why))

    def promote(self, limit: int = 100) -> tuple[int, int | None]:
        return self.run(scripts.promote(self.tag, limit=limit))

    def recover(self, limit: int = 100) -> int:
        return self.run(scripts.recover(self.tag, limit=limit))

    def cleanup(self, limit: int = 1000, finished_before_ms: int | None = None) -> scripts.Cleaned:
        return self.run(scripts.cleanup(self.tag, limit=limit, finished_before_ms=finished_before_ms))

    # --- states -----------------------------------------------------------------------------------

    def job_in(self, state: str, **fields: Any) -> str:
        """A job in that state (type t, company acme, user ann); returns its id."""
        if state == MISSING:
            return "no-such-job"
        if state in (IN_INBOX, PICKED_UP):
            held = self.client.lrange(key_names.processing(self.tag, WORKER), 0, -1)
            assert self.park(known=tuple(held)).jobs == []
            job_id = self.submit(**fields)
            if state == PICKED_UP:
                self.pick_up()
        elif state == SCHEDULED:
            job_id = self.submit(**{"delay_ms": 60_000, **fields})
        else:
            job_id = self.submit(**fields)
        if state == PROCESSING:
            assert self.claim_one().job_id == job_id
        elif state == COMPLETED:
            self.complete(job_id, op="earlier")
        elif state == FAILED:
            self.fail(job_id, op="earlier", error="the first error")
        elif state == CANCELLED:
            self.cancel(job_id, op="earlier")
        assert self.places(job_id) == PLACE_OF[state]
        return job_id

    def lose(self, job_id: str) -> None:
        """The job's lease passes, and it is taken back."""
        self.clock.advance(LEASE_MS / 1000 + 1)
        self.recover()
        assert self.field(job_id, "status") != "processing"

    # --- looks ------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job:
        job = self.queue.get_job(job_id)
        assert job is not None
        return job

    def field(self, job_id: str, name: str) -> str | None:
        value = self.client.hget(key_names.job(self.tag, job_id), name)
        return None if value is None else value.decode()

    def names(self) -> list[str]:
        """The queue's keys, without the tag."""
        found = self.client.scan_iter(match=self.tag + "*", count=1000)
        return sorted(key.decode()[len(self.tag) :] for key in found)

    def leftovers(self) -> list[str]:
        """Keys beyond those that an empty queue keeps."""
        return [name for name in self.names() if name not in _KEPT_WITHOUT_JOBS]

    def places(self, job_id: str) -> list[str]:
        """Where the job is: the lists and sets of work that name it, and `leases`."""
        found = []
        for name in self.names():
            if name.startswith(_PLACES) and job_id.encode() in self._content(name):
                found.append("lane" if name.startswith("lane:") else name)
        return found

    def snapshot(self) -> dict[str, Any]:
        """All that the queue has stored."""
        return {name: self._content(name) for name in self.names() if name != "test-clock"}

    def _content(self, name: str) -> Any:
        key = self.tag + name
        kind = self.client.type(key)
        if kind == b"zset":
            return dict(self.client.zrange(key, 0, -1, withscores=True))
        if kind == b"list":
            return self.client.lrange(key, 0, -1)
        if kind == b"hash":
            return self.client.hgetall(key)
        return self.client.smembers(key) if kind == b"set" else self.client.get(key)

    def _statuses(self) -> dict[str, JobStatus]:
        ids = [name[4:] for name in self.names() if name.startswith("job:")]
        with self.client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hget(key_names.job(self.tag, job_id), "status")
            found = pipe.execute()
        return {i: JobStatus(status.decode()) for i, status in zip(ids, found) if status}
