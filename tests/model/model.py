"""What the queue ought to do, in plain Python: no Redis, no Lua, no bounds, times in milliseconds.

Written from DESIGN (lifecycle, waking, fairness) and docs/, not from the scripts. Three things are left to
the queue, and the model asks which way it went: which of several parked workers is handed a job
(`handed_to`), in which order companies line up that join a line in one call (`line_of`), and which rising
numbers jobs get (`number_of`).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

PENDING, PROCESSING = "pending", "processing"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
LIVE = (PENDING, PROCESSING)

LANE, SCHEDULED, INBOX, HANDS = "lane", "scheduled", "inbox", "hands"

HANDOFF_LEASE = 2_000
DEFAULT_MAX_RETRIES = 3
FINAL = -1  # max_retries of a failure that no attempt would mend

Attempt = tuple[str, str]  # job id, token


@dataclass
class Job:
    id: str
    seq: int
    type: str
    company: str | None
    user: str | None
    ttl: int
    created: int
    max_retries: int | None = None
    due: int | None = None
    status: str = PENDING
    place: str | None = None
    worker: str | None = None
    lease_until: int = 0
    attempt: int = 0  # in the token
    returned: int = 0  # attempts that were given back unrun
    retries: int = 0
    losses: int = 0
    progress: int = 0
    message: str | None = None
    result: Any = None
    error: str | None = None
    last_error: str | None = None
    changed: int = 0
    started: int | None = None
    ended_itself: bool = False  # the latest attempt reported its own end, and nobody touched the job since

    @property
    def token(self) -> str:
        return f"{self.seq}.{self.attempt}"

    @property
    def is_handed(self) -> bool:
        """Over to a worker that has not begun it: its next attempt has its number."""
        return self.status == PENDING and self.worker is not None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def runs_alone(self) -> bool:
        """It may have killed a worker, or must not run twice."""
        return self.losses > 0 or self.max_retries == 0

    @property
    def expires_at(self) -> int:
        """When it is purged, or CANCELLED if it still waits."""
        since = self.changed
        if self.status == PENDING and self.due is not None:
            since = max(since, self.due)
        return since + self.ttl

    def public(self) -> dict[str, Any]:
        """What `get_job` shows."""
        metadata: dict[str, Any] = {}
        if self.retries:
            metadata["retry_count"] = self.retries
        last_error = self.error if self.status == FAILED else self.last_error
        if last_error is not None:
            metadata["last_error"] = last_error
        updated = max(self.changed, self.started or 0)
        return {
            "job_id": self.id,
            "job_type": self.type,
            "status": self.status,
            "company_id": self.company,
            "user_id": self.user,
            "progress": 100 if self.status == COMPLETED else self.progress,
            "progress_message": self.message,
            "result": self.result,
            "error": self.error,
            "metadata": metadata or None,
            "attempt": self.attempt - self.returned - self.is_handed,
            "worker": self.worker,
            "max_retries": self.max_retries,
            "created_at": self.created,
            "updated_at": updated,
            "due_at": self.due,
            "started_at": self.started,
            "finished_at": None if self.is_live else updated,
        }


@dataclass
class Parked:
    until: int
    types: tuple[str, ...]  # none: any

    def takes(self, job: Job, now: int) -> bool:
        return self.until >= now and (not self.types or job.type in self.types)


@dataclass
class Registered:
    look_at: int  # when it counts as gone
    max_retries: int


@dataclass
class Plan:
    """What a claim does, were the companies in line like that."""

    claimed: list[Job]
    expired: list[Job]
    lines: dict[str, list[str]]


@dataclass
class Model:
    now: int
    handed_to: Callable[[str], str | None]
    line_of: Callable[[str], list[str]]
    number_of: Callable[[str], int]
    jobs: dict[str, Job] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    inboxes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    hands: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    parked: dict[str, Parked] = field(default_factory=dict)
    registered: dict[str, Registered] = field(default_factory=dict)
    last_seq: int = 0
    _joined: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    # --- looks ------------------------------------------------------------------------------------

    def newest_first(
        self, status: str | None = None, company: str | None = None, user: str | None = None
    ) -> list[Job]:
        return sorted(
            (
                job
                for job in self.jobs.values()
                if status in (None, job.status)
                and company in (None, job.company)
                and user in (None, job.user)
            ),
            key=lambda job: -job.seq,
        )

    def in_place(self, *places: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.place in places]

    def lane(self, job_type: str, company: str) -> list[Job]:
        waiting = (j for j in self.in_place(LANE) if (j.type, j.company or "") == (job_type, company))
        return sorted(waiting, key=lambda job: job.seq)

    def moments(self) -> list[int]:
        """Times to come at which something is due."""
        found = {job.lease_until for job in self.in_place(INBOX, HANDS)}
        found |= {job.due for job in self.in_place(SCHEDULED) if job.due is not None}
        found |= {job.expires_at for job in self.jobs.values() if job.status != PROCESSING}
        found |= {parked.until for parked in self.parked.values()}
        return sorted(moment for moment in found if moment > self.now)

    # --- places -----------------------------------------------------------------------------------

    def _take_out(self, job: Job) -> None:
        if job.place == LANE:
            company = job.company or ""
            if len(self.lane(job.type, company)) == 1:
                self._leave_line(job.type, company)
        elif job.place == INBOX:
            self.inboxes[job.worker or ""].remove(job.id)
        elif job.place == HANDS:
            self.hands[job.worker or ""].remove(job.id)
        job.place = None

    def _leave_line(self, job_type: str, company: str) -> None:
        self.lines[job_type].remove(company)
        if company in self._joined[job_type]:
            self._joined[job_type].remove(company)

    def _line_up(self, job: Job) -> None:
        company = job.company or ""
        if company not in self.lines[job.type]:
            self.lines[job.type].append(company)
            self._joined[job.type].append(company)
        job.place = LANE

    def _offer(self, job: Job) -> None:
        """To one parked worker that serves its type, else to its lane."""
        takers = {name for name, parked in self.parked.items() if parked.takes(job, self.now)}
        if not takers:
            self._line_up(job)
            return
        worker = self.handed_to(job.id)
        assert worker in takers, f"{job.id} went to {worker}, not to one of the parked {takers}"
        del self.parked[worker]
        job.place, job.worker, job.lease_until = INBOX, worker, self.now + HANDOFF_LEASE
        job.attempt += 1  # its number, not its beginning
        job.ended_itself = False
        self.inboxes[worker].append(job.id)

    def settle(self) -> None:
        """Ends a call: companies that joined a line together stand there in the queue's own order."""
        for job_type, joined in self._joined.items():
            if len(joined) > 1:
                before = self.lines[job_type][: -len(joined)]
                line = self.line_of(job_type)
                assert line[: len(before)] == before, f"{job_type}: {line} does not begin with {before}"
                assert sorted(line[len(before) :]) == sorted(joined)
                self.lines[job_type] = line
        self._joined.clear()

    # --- submit -----------------------------------------------------------------------------------

    def submit(self, jobs: Iterable[Job]) -> None:
        """`due` of a new job: None, or when it may start."""
        for job in jobs:
            if job.id in self.jobs:
                continue
            job.seq, job.created, job.changed = self.number_of(job.id), self.now, self.now
            assert job.seq > self.last_seq, f"{job.id} has number {job.seq} after {self.last_seq}"
            self.last_seq = job.seq
            self.jobs[job.id] = job
            if job.due is not None and job.due > self.now:
                job.place = SCHEDULED
            else:
                job.due = None
                self._offer(job)

    # --- starts -----------------------------------------------------------------------------------

    def _start(self, job: Job, worker: str, lease: int) -> None:
        if not job.is_handed:
            job.attempt += 1
        job.status, job.worker = PROCESSING, worker
        job.started, job.progress, job.message = self.now, 0, None
        job.lease_until, job.ended_itself = self.now + lease, False
        if job.place != HANDS:
            job.place = HANDS
            self.hands[worker].append(job.id)

    def _plan(
        self, holds_more: bool, want: int, types: Sequence[str], lines: dict[str, list[str]], got: int
    ) -> Plan:
        """Companies take turns; within a company it is first in, first out. An expired job takes its
        company's turn. A job that runs alone ends the claim: before it, unless nothing else is held."""
        plan = Plan([], [], {job_type: list(line) for job_type, line in lines.items()})
        for job_type in types:
            line = plan.lines.setdefault(job_type, [])
            lanes = {company: self.lane(job_type, company) for company in line}
            while line and got + len(plan.claimed) < want:
                company = line[0]
                job = lanes[company][0]
                if job.runs_alone and (holds_more or got + len(plan.claimed) > 0):
                    return plan
                lanes[company].pop(0)
                line.pop(0)
                if lanes[company]:
                    line.append(company)
                if job.expires_at <= self.now:
                    plan.expired.append(job)
                    continue
                plan.claimed.append(job)
                if job.runs_alone:
                    return plan
        return plan

    def _plans(self, holds_more: bool, want: int, types: Sequence[str], got: int) -> list[Plan]:
        """One for each order that is left open: of the types when any will do, and of companies that
        have just joined a line together."""
        orders = (
            [types] if types else list(itertools.permutations(t for t in sorted(self.lines) if self.lines[t]))
        )
        ties = {job_type: joined for job_type, joined in self._joined.items() if len(joined) > 1}
        found = []
        for order in orders:
            for ends in itertools.product(*(itertools.permutations(joined) for joined in ties.values())):
                lines = dict(self.lines)
                for job_type, end in zip(ties, ends):
                    lines[job_type] = lines[job_type][: -len(end)] + list(end)
                found.append(self._plan(holds_more, want, order, lines, got))
        return found

    def claim(
        self,
        worker: str,
        want: int,
        types: Sequence[str],
        lease: int,
        got: Sequence[Attempt],
        adopted: int = 0,
        is_shared: bool = False,
    ) -> None:
        """`got` is what the queue gave; it must be what some permitted order gives. is_shared: by callers
        that share the name, so that what it holds doesn't count."""
        plans = self._plans(bool(self.hands[worker]) and not is_shared, want, types, adopted)
        given = [job_id for job_id, _ in got]
        fitting = [p for p in plans if [job.id for job in p.claimed] == given]
        assert fitting, f"{worker} was given {given}, expected {[[j.id for j in p.claimed] for p in plans]}"
        if len(fitting) > 1:
            seen = {job_type: self.line_of(job_type) for job_type in self.lines}
            fitting = [p for p in fitting if all(p.lines.get(t, []) == line for t, line in seen.items())]
            assert fitting, f"companies stand in line as {seen}"
        plan = fitting[0]
        for job in [*plan.claimed, *plan.expired]:
            job.place = None
        for job in plan.expired:
            self._expire(job)
        for job in plan.claimed:
            self._start(job, worker, lease)
        self.lines.update(plan.lines)
        self._joined.clear()
        assert list(got) == [(job.id, job.token) for job in plan.claimed]

    def adopt(self, worker: str, known: Iterable[str], lease: int) -> list[Attempt]:
        """What stands in the worker's own lists and is not known to it."""
        self.parked.pop(worker, None)
        for job_id in self.inboxes.pop(worker, []):
            self.hands[worker].append(job_id)
            self.jobs[job_id].place = HANDS
        found = []
        for job_id in list(self.hands[worker]):
            job = self.jobs[job_id]
            if job_id in known:
                continue
            if job.status == PENDING and job.expires_at <= self.now:
                self._take_out(job)
                self._expire(job)
                continue
            if job.status == PENDING:
                self._start(job, worker, lease)
            job.lease_until = self.now + lease
            found.append((job_id, job.token))
        return found

    def park(
        self, worker: str, want: int, types: tuple[str, ...], lease: int, park: int, got: Sequence[Attempt]
    ) -> None:
        adopted = self.adopt(worker, (), lease)
        assert list(got[: len(adopted)]) == adopted, f"{worker} adopted {got}, expected {adopted} first"
        if adopted:
            want = 0  # enough for a turn, and it may have to run alone
        self.claim(worker, want, types, lease, got[len(adopted) :], len(adopted))
        if not got and not self.may_hold_back(worker, types):
            self.parked[worker] = Parked(self.now + park, types)

    def may_hold_back(self, worker: str, types: tuple[str, ...]) -> bool:
        """Whether something waits that an empty-handed claim did not give."""
        return any(self.lines[t] for t in types or list(self.lines))

    def pick_up(self, worker: str) -> str | None:
        """BLMOVE from the inbox to the processing list."""
        if not self.inboxes[worker]:
            return None
        job_id = self.inboxes[worker].pop(0)
        self.hands[worker].append(job_id)
        self.jobs[job_id].place = HANDS
        return job_id

    # --- ends -------------------------------------------------------------------------------------

    def refusal(self, job_id: str, token: str) -> str | None:
        """Why this caller may not end the job ('' = from outside), or None."""
        job = self.jobs.get(job_id)
        if job is None:
            return "missing"
        if not token:
            return None if job.is_live else "finished"
        if job.token != token:
            return "stale"
        if job.status == PROCESSING:
            return None
        return "already" if job.ended_itself else "stale"

    def _finish(self, job: Job, status: str) -> str:
        job.returned += job.is_handed
        self._take_out(job)
        job.status, job.changed = status, self.now
        return status

    def _again(self, job: Job, delay: int) -> str:
        job.returned += job.is_handed
        self._take_out(job)
        job.status, job.worker, job.changed, job.due = PENDING, None, self.now, self.now + delay
        if delay:
            job.place = SCHEDULED
        else:
            self._offer(job)
        return "retrying"

    def _expire(self, job: Job) -> None:
        job.error, job.ended_itself = "expired before it started", False
        self._finish(job, CANCELLED)

    def complete(self, job_id: str, token: str, result: Any) -> str:
        if refused := self.refusal(job_id, token):
            return refused
        job = self.jobs[job_id]
        job.result, job.ended_itself = result, token != ""
        return self._finish(job, COMPLETED)

    def fail(self, job_id: str, token: str, error: str, delay: int, max_retries: int | None) -> str:
        """max_retries: None: no limit, and it counts no retry."""
        if refused := self.refusal(job_id, token):
            return refused
        job = self.jobs[job_id]
        if max_retries is None and job.status == PENDING:
            return "pending"
        job.ended_itself = token != ""
        if max_retries is None:
            job.last_error = error
            return self._again(job, delay)
        allowed = max_retries if job.max_retries is None or max_retries == FINAL else job.max_retries
        if job.retries < allowed:
            job.retries, job.last_error = job.retries + 1, error
            return self._again(job, delay)
        job.error = error
        return self._finish(job, FAILED)

    def cancel(self, job_id: str, reason: str) -> str:
        if refused := self.refusal(job_id, ""):
            return refused
        job = self.jobs[job_id]
        job.error, job.ended_itself = reason, False
        return self._finish(job, CANCELLED)

    def retry(self, job_id: str) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "missing"
        if job.is_live:
            return "unfinished"
        if job.status == COMPLETED:
            return "finished"
        if job.status == FAILED:
            job.last_error = job.error
        job.status, job.changed, job.ended_itself = PENDING, self.now, False
        job.retries = job.losses = job.progress = 0
        job.error = job.message = job.worker = job.due = None
        self._offer(job)
        return "pending"

    def progress(self, job_id: str, token: str, value: int, message: str | None, reset: bool) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "missing"
        if token and (job.status != PROCESSING or job.token != token):
            return "stale"
        if not job.is_live:
            return "finished"
        value = max(0, min(100, value))
        job.progress = value if reset else max(job.progress, value)
        job.message = job.message if message is None else message
        job.changed = self.now
        return "updated"

    # --- workers ----------------------------------------------------------------------------------

    def heartbeat(
        self, worker: str, held: Iterable[Attempt], lease: int, alive: int, max_retries: int
    ) -> list[str]:
        """The ids of those held that are not this worker's any more."""
        self.registered[worker] = Registered(self.now + alive, max_retries)
        gone = []
        for job_id, token in held:
            job = self.jobs.get(job_id)
            if job is not None and job.status == PROCESSING and job.token == token:
                job.lease_until = self.now + lease
            else:
                gone.append(job_id)
        return gone

    def _give_back(self, job: Job) -> None:
        """To where it waited, from a worker that has not run it."""
        if job.status == PROCESSING:
            job.returned += 1
            job.ended_itself = False
            self._again(job, 0)
            return
        job.returned += job.is_handed
        self._take_out(job)
        job.worker = None
        self._offer(job)

    def leave(self, worker: str) -> list[str]:
        self.parked.pop(worker, None)
        self.registered.pop(worker, None)
        held = [*self.hands[worker], *self.inboxes[worker]]
        for job_id in held:
            self._give_back(self.jobs[job_id])
        return held

    def bury(self, worker: str, why: str) -> list[str]:
        """It is known to have died."""
        self.parked.pop(worker, None)
        held = [*self.hands[worker], *self.inboxes[worker]]
        for job_id in held:
            job = self.jobs[job_id]
            self._take_back(job, why, min(60_000, 1_000 * 2**job.losses) if job.losses else 0)
        self.registered.pop(worker, None)
        return held

    def _take_back(self, job: Job, why: str = "did not renew its lease", delay: int = 0) -> None:
        """From hands that don't hold it any more."""
        if job.status != PENDING:
            self._lose(job, why, delay)
        elif job.expires_at <= self.now:
            self._expire(job)
        else:
            self._give_back(job)

    def release(self, worker: str, held: Iterable[Attempt]) -> list[str]:
        given_back = []
        for job_id, token in held:
            job = self.jobs.get(job_id)
            if job and job.status == PROCESSING and job.worker == worker and job.token == token:
                self._give_back(job)
                given_back.append(job_id)
        return given_back

    # --- time -------------------------------------------------------------------------------------

    def promote(self) -> int:
        due = [job for job in self.in_place(SCHEDULED) if job.due is not None and job.due <= self.now]
        for job in sorted(due, key=lambda job: (job.due, job.id)):
            job.place = None
            self._offer(job)
        return len(due)

    def recover(self) -> int:
        """Jobs whose lease has passed go back; a running one has lost an attempt by it."""
        held = self.in_place(INBOX, HANDS)
        lost = sorted((j.lease_until, j.id) for j in held if j.lease_until <= self.now)
        holding = {job.worker for job in held if job.lease_until > self.now}
        for _, job_id in lost:
            self._take_back(self.jobs[job_id])
        for worker, entry in list(self.registered.items()):
            if entry.look_at > self.now:
                continue
            if worker in holding:
                entry.look_at = self.now + 1_000
            else:
                del self.registered[worker]
                self.parked.pop(worker, None)
        return len(lost)

    def _lose(self, job: Job, why: str, delay: int) -> None:
        entry = self.registered.get(job.worker or "")
        allowed = job.max_retries
        if allowed is None:
            allowed = entry.max_retries if entry else DEFAULT_MAX_RETRIES
        number = job.attempt - job.returned
        reason = f"worker lost: {job.worker} {why} (attempt {number})"
        job.losses += 1
        job.ended_itself = False
        if job.retries < allowed:
            job.retries, job.last_error = job.retries + 1, reason
            self._again(job, delay)
        else:
            job.error = reason
            self._finish(job, FAILED)

    def cleanup(self, older_than: int | None = None) -> tuple[int, int, int]:
        """Purged by age, purged by ttl, expired before they started."""
        aged = [
            job
            for job in self.jobs.values()
            if older_than is not None and not job.is_live and job.changed <= self.now - older_than
        ]
        for job in aged:
            del self.jobs[job.id]
        over = [job for job in self.jobs.values() if job.expires_at <= self.now]
        waiting = [job for job in over if job.status == PENDING]
        finished = [job for job in over if not job.is_live]
        for job in finished:
            del self.jobs[job.id]
        for job in waiting:
            self._expire(job)
        return len(aged), len(finished), len(waiting)

    def cleanup_old_jobs(self, older_than: int) -> int:
        deleted = 0
        while True:
            aged, purged, expired = self.cleanup(older_than)
            deleted += aged + purged
            if purged + expired == 0:
                return deleted
