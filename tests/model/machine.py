"""Drives a queue and its model side by side, and compares them after every step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from faciliter_jobs import Job, JobSpec, JobStatus, RedisJobQueue, context, scripts, validate
from faciliter_jobs import keys as key_names
from faciliter_jobs.record import Claimed, iso
from faciliter_jobs.scripts import Call, Ending, Outcome
from tests.model import model as spec
from tests.support.clock import Clock
from tests.support.server import client_of

LEASE, ALIVE, PARK = 10_000, 20_000, 60_000  # ms
PLENTY = 900  # a limit that no example reaches
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

TYPES = ("a", "b", "c")
COMPANIES = (None, "acme", "beta", "core")
USERS = (None, "ann", "bob")

types = st.sampled_from(TYPES)
# Most jobs are of one type, so that companies meet in one line.
job_types = st.sampled_from(("a", "a", "a", "b", "c"))
wanted_types = st.sampled_from(((), ("a",), ("a",), ("a", "b"), ("b", "a"), ("c", "b", "a")))
WORKERS_TYPES: tuple[tuple[str, ...], ...] = ((), ("a", "b"), ("a",))
seconds = st.sampled_from((0.0, 0.5, 2.0, 7.0, 15.0))
picks = st.integers(0, 40)
counts = st.integers(1, 6)
workers = st.integers(0, 2)
sometimes = st.sampled_from((False, False, False, True))
messages = st.sampled_from((None, "half way", "nearly"))


@st.composite
def job_specs(draw: Callable[..., Any]) -> dict[str, Any]:
    """Arguments of submit_job; times are seconds from now."""
    return {
        "job_type": draw(job_types),
        "company_id": draw(st.sampled_from(COMPANIES)),
        "user_id": draw(st.sampled_from(USERS)),
        "ttl": draw(st.sampled_from((None, None, None, 5, 20, 0.25))),
        "max_retries": draw(st.sampled_from((None, None, None, 0, 1))),
        "when": draw(
            st.sampled_from((None, None, None, None, ("delay", 3.0), ("run_at", 8.0), ("run_at", -4.0)))
        ),
        "own_id": draw(st.sampled_from((None, None, None, "x1", "x2"))),
    }


@dataclass
class Worker:
    """What a worker process knows of itself."""

    name: str
    types: tuple[str, ...]  # it has handlers for (none: any); as long as it lives
    held: dict[str, str] = field(default_factory=dict)  # job id -> token


class QueueMachine(RuleBasedStateMachine):
    """Job ids are numbered, so that a history goes the same way each time that it is tried."""

    queue: RedisJobQueue  # set by the test
    clock: Clock

    @initialize()
    def begin(self) -> None:
        self.clock.now_ms = Clock.START_MS
        self.clock.advance(0)
        self._made_by = validate.new_job_id, validate.new_job_ids
        numbered = map("job-{}".format, itertools.count(1))
        validate.new_job_id, validate.new_job_ids = numbered.__next__, lambda count: numbered
        self.client = client_of(self.queue.config)
        self.model = spec.Model(Clock.START_MS, self._handed_to, self._line_of, self._number_of)
        self.ids: list[str] = []
        self.attempts: list[spec.Attempt] = []  # every token that was ever given
        self.workers = [Worker(f"w{n}", WORKERS_TYPES[n]) for n in range(3)]
        self.deaths = 0
        self.calls: list[tuple[Call[Any], Any]] = []
        self._run = self.queue.transport.run
        self.queue.transport.run = self._spy  # type: ignore[method-assign]

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.queue.transport.run = self._run  # type: ignore[method-assign]
        validate.new_job_id, validate.new_job_ids = self._made_by
        for key in self.client.scan_iter(match=self.queue.tag + "*", count=1000):
            self.client.unlink(key)
        self.client.close()

    # --- between queue and model ------------------------------------------------------------------

    def _spy(self, call: Call[Any]) -> Any:
        reply = self._run(call)
        self.calls.append((call, reply))
        return reply

    def _handed_to(self, job_id: str) -> str | None:
        name = self.client.hget(key_names.job(self.queue.tag, job_id), "worker")
        return None if name is None else name.decode()

    def _line_of(self, job_type: str) -> list[str]:
        return [name.decode() for name in self.client.zrange(f"{self.queue.tag}ring:0:{job_type}", 0, -1)]

    def _number_of(self, job_id: str) -> int:
        return int(self.client.hget(key_names.job(self.queue.tag, job_id), "seq"))

    def _send_again(self) -> None:
        """The call's reply was lost, and the client sends it again: it changes nothing, and says so."""
        call, reply = self.calls[-1]
        if not call.resend:
            return
        second = self._run(call)
        if isinstance(reply, Ending):
            expected = Ending.ALREADY if reply.accepted and reply is not Ending.UPDATED else reply
            assert second is expected, f"{call.script} said {reply}, then {second}"
        elif isinstance(reply, scripts.Turned):
            assert [e.accepted for e in second.endings] == [e.accepted for e in reply.endings]
        elif call.script in ("submit", "submit_one"):
            assert second == 0
        elif call.script in ("leave", "lose", "release"):
            assert second == []
        elif call.script in ("adopt", "heartbeat"):
            assert _tokens(second) == _tokens(reply)

    def _id(self, pick: int) -> str:
        """An id that was submitted once, the newest most often; its job may be gone."""
        return self.ids[-1 - pick % len(self.ids)] if self.ids else "never submitted"

    def _live(self, pick: int) -> str:
        """As _id, preferring jobs that aren't finished."""
        live = [job.id for job in self.model.jobs.values() if job.is_live]
        return live[pick % len(live)] if live else self._id(pick)

    def _attempt(self, pick: int, worker: Worker, stale: bool) -> spec.Attempt | None:
        mine = list(worker.held.items())
        if mine and not stale:
            return mine[pick % len(mine)]
        return self.attempts[-1 - pick % len(self.attempts)] if self.attempts else None

    def _give(self, worker: Worker | None, claimed: list[Claimed], reply_lost: bool = False) -> None:
        """The worker gets what it was given, unless the reply was lost on the way."""
        for each in claimed:
            assert each.job() == self.queue.get_job(each.job_id)
            if not reply_lost:
                self.attempts.append((each.job_id, each.token))
                if worker:
                    worker.held[each.job_id] = each.token

    def _types(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """When any type will do and several wait, the queue draws lots; a history can't."""
        several = sum(1 for line in self.model.lines.values() if line) > 1
        return TYPES if several and not wanted else wanted

    @contextmanager
    def _inside(self, attempt: spec.Attempt | None) -> Iterator[str]:
        """As code in a handler of this attempt; yields the token that counts."""
        if attempt is None:
            yield ""
            return
        reset = context.current.set(context.Attempt(*attempt, self.queue))
        try:
            yield attempt[1]
        finally:
            context.current.reset(reset)

    def _new(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], Callable[[str], spec.Job]]:
        """Arguments for the queue, and what makes the model's job of the id."""
        given = {k: v for k, v in arguments.items() if k not in ("when", "own_id")}
        due = None
        if when := arguments["when"]:
            kind, offset = when
            due = self.model.now + int(offset * 1000)
            given[kind] = EPOCH + timedelta(milliseconds=due) if kind == "run_at" else offset
        if arguments["own_id"]:
            given["job_id"] = arguments["own_id"]
        ttl = self.queue.config.default_ttl if arguments["ttl"] is None else arguments["ttl"]

        def job(job_id: str) -> spec.Job:
            return spec.Job(
                job_id, 0, given["job_type"], given["company_id"], given["user_id"], int(ttl * 1000), 0,
                max_retries=given["max_retries"], due=due,
            )  # fmt: skip

        return given, job

    # --- producers --------------------------------------------------------------------------------

    @rule(arguments=job_specs(), again=sometimes)
    def submit(self, arguments: dict[str, Any], again: bool) -> None:
        given, job = self._new(arguments)
        job_id = self.queue.submit_job(**given)
        self.model.submit([job(job_id)])
        self.ids.append(job_id)
        if again:
            self._send_again()

    @rule(many=st.lists(job_specs(), min_size=0, max_size=8), again=sometimes)
    def submit_many(self, many: list[dict[str, Any]], again: bool) -> None:
        new = [self._new(arguments) for arguments in many]
        job_ids = self.queue.submit_jobs([JobSpec(**given) for given, _ in new])
        self.model.submit([job(job_id) for job_id, (_, job) in zip(job_ids, new)])
        self.ids += job_ids
        if again and many:
            self._send_again()

    # --- anybody, by id ---------------------------------------------------------------------------

    @rule(pick=picks, result=st.sampled_from((None, {}, {"n": 1}, [b"x"])), again=sometimes)
    def complete(self, pick: int, result: Any, again: bool) -> None:
        job_id = self._id(pick)
        ending = self.queue.complete(job_id, result)
        assert ending.value == self.model.complete(job_id, "", result)
        if again:
            self._send_again()

    @rule(pick=picks, retry_delay=st.none() | seconds, again=sometimes)
    def fail(self, pick: int, retry_delay: float | None, again: bool) -> None:
        job_id = self._live(pick)
        ending = self.queue.fail(job_id, "refused", retry_delay=retry_delay)
        most = spec.FINAL if retry_delay is None else spec.DEFAULT_MAX_RETRIES
        assert ending.value == self.model.fail(job_id, "", "refused", int((retry_delay or 0) * 1000), most)
        if again:
            self._send_again()

    @rule(pick=picks, again=sometimes)
    def cancel(self, pick: int, again: bool) -> None:
        job_id = self._id(pick)
        assert self.queue.cancel(job_id, "unwanted").value == self.model.cancel(job_id, "unwanted")
        if again:
            self._send_again()

    @rule(pick=picks, again=sometimes)
    def retry(self, pick: int, again: bool) -> None:
        ended = [job.id for job in self.model.jobs.values() if not job.is_live]
        job_id = ended[pick % len(ended)] if ended else self._id(pick)
        assert self.queue.retry(job_id).value == self.model.retry(job_id)
        if again:
            self._send_again()

    @rule(pick=picks, status=st.sampled_from(JobStatus), again=sometimes)
    def update_job_status(self, pick: int, status: JobStatus, again: bool) -> None:
        job_id = self._id(pick)
        job = self.model.jobs.get(job_id)
        was = job.status if job else None
        calls = len(self.calls)
        done = self.queue.update_job_status(job_id, status, "so it is")
        if status is JobStatus.COMPLETED:
            expected = self.model.complete(job_id, "", None) == "completed"
        elif status is JobStatus.FAILED:
            expected = self.model.fail(job_id, "", "so it is", 0, spec.FINAL) == "failed"
        elif status is JobStatus.CANCELLED:
            expected = self.model.cancel(job_id, "so it is") == "cancelled"
        elif status is JobStatus.PENDING and was == spec.PROCESSING:
            expected = self.model.fail(job_id, "", "so it is", 0, None) == "retrying"
        elif status is JobStatus.PENDING and was in (spec.FAILED, spec.CANCELLED):
            expected = self.model.retry(job_id) == "pending"
        else:
            expected = was == status.value
        assert done is expected
        if again and len(self.calls) > calls:
            self._send_again()

    @rule(pick=picks, value=st.integers(-10, 110), message=messages, reset=sometimes, again=sometimes)
    def progress(self, pick: int, value: int, message: str | None, reset: bool, again: bool) -> None:
        job_id = self._live(pick)
        done = self.queue.update_job_progress(job_id, value, message, reset=reset)
        assert done is (self.model.progress(job_id, "", value, message, reset) == "updated")
        if again:
            self._send_again()

    @rule(pick=picks)
    def read(self, pick: int) -> None:
        job_id = self._id(pick)
        job = self.model.jobs.get(job_id)
        assert self.queue.get_job_result(job_id) == (
            job.result if job and job.status == "completed" else None
        )
        if job is None:
            assert self.queue.get_job(job_id) is None

    @rule(
        status=st.none() | st.sampled_from(JobStatus),
        company=st.sampled_from(COMPANIES),
        user=st.sampled_from(USERS),
        limit=st.integers(0, 12),
    )
    def list_jobs(self, status: JobStatus | None, company: str | None, user: str | None, limit: int) -> None:
        listed = self.queue.list_jobs(status, company, user, limit)
        expected = self.model.newest_first(status.value if status else None, company, user)[:limit]
        assert [job.job_id for job in listed] == [job.id for job in expected]

    @rule(older_than=st.sampled_from((0.0, 3.0, 86400.0)))
    def cleanup_old_jobs(self, older_than: float) -> None:
        assert self.queue.cleanup_old_jobs(older_than) == self.model.cleanup_old_jobs(int(older_than * 1000))

    @rule(wanted=wanted_types)
    def get_pending_job(self, wanted: tuple[str, ...]) -> None:
        wanted = self._types(wanted)
        calls = len(self.calls)
        job = self.queue.get_pending_job(wanted, lease=30)
        worker, given = self.queue.operations.worker, []
        if "tend" in [call.script for call, _ in self.calls[calls:]]:
            self.model.claim(worker, 1, wanted, 30_000, [], is_shared=True)
            self._tended()
        if job is not None:
            assert job == self.queue.get_job(job.job_id)
            given = [(job.job_id, self._run_claim().token)]
            self.attempts += given
        self.model.claim(worker, 1, wanted, 30_000, given, is_shared=True)

    def _run_claim(self) -> Claimed:
        return next(reply[0] for call, reply in reversed(self.calls) if call.script == "claim")

    # --- workers ----------------------------------------------------------------------------------

    @rule(n=workers, want=counts, wanted=wanted_types, reply_lost=sometimes)
    def claim(self, n: int, want: int, wanted: tuple[str, ...], reply_lost: bool) -> None:
        worker = self.workers[n]
        wanted = self._types(wanted)
        claimed = self._spy(
            scripts.claim(self.queue.tag, worker=worker.name, lease_ms=LEASE, want=want, types=wanted)
        )
        self.model.claim(worker.name, want, wanted, LEASE, _tokens(claimed), is_shared=True)
        self._give(worker, claimed, reply_lost)

    @rule(n=workers, want=counts, tends=st.booleans(), reply_lost=sometimes)
    def park(self, n: int, want: int, tends: bool, reply_lost: bool) -> None:
        worker = self.workers[n]
        wanted = worker.types
        if worker.held:  # only idle workers park
            return
        if tends:
            self._tend()
        if self._types(wanted) != wanted:
            return
        call = scripts.park(
            self.queue.tag,
            worker=worker.name,
            lease_ms=LEASE,
            park_ms=PARK,
            want=want,
            tend_limit=PLENTY if tends else 0,  # nothing is left to tend
            types=wanted,
            known=(),
        )
        reply = self._spy(call)
        self.model.park(worker.name, want, wanted, LEASE, PARK, _tokens(reply.jobs))
        if not reply.jobs:
            dues = [job.due for job in self.model.in_place(spec.SCHEDULED)]
            assert reply.wait_ms == (max(0, min(dues) - self.model.now) if dues else None)
        self._give(worker, reply.jobs, reply_lost)

    @rule(n=workers)
    def pick_up(self, n: int) -> None:
        name = self.workers[n].name
        inbox, hands = key_names.inbox(self.queue.tag, name), key_names.processing(self.queue.tag, name)
        moved = self.client.lmove(inbox, hands, "LEFT", "RIGHT")
        assert (moved.decode() if moved else None) == self.model.pick_up(name)

    @rule(n=workers, again=sometimes)
    def adopt(self, n: int, again: bool) -> None:
        worker = self.workers[n]
        known = list(worker.held)
        call = scripts.adopt(self.queue.tag, worker=worker.name, lease_ms=LEASE, known=known)
        claimed = self._spy(call)
        assert _tokens(claimed) == self.model.adopt(worker.name, known, LEASE)
        self._give(worker, claimed)
        if again:
            self._send_again()

    @rule(
        n=workers,
        ends=st.lists(
            st.tuples(
                picks,
                sometimes,
                st.sampled_from(("completed", "failed")),
                seconds,
                st.sampled_from((3, 1, 0, -1)),
            ),
            max_size=4,
        ),
        want=st.integers(0, 4),
        wanted=wanted_types,
        reply_lost=sometimes,
        again=sometimes,
    )
    def turn(
        self, n: int, ends: list[Any], want: int, wanted: tuple[str, ...], reply_lost: bool, again: bool
    ) -> None:
        worker, wanted = self.workers[n], self._types(wanted)
        outcomes, expected = [], []
        for pick, stale, ending, delay, most in ends:
            attempt = self._attempt(pick, worker, stale)
            if attempt is None:
                continue
            worker.held.pop(attempt[0], None)
            payload = b"\x81\xa1n\x02" if ending == "completed" else "broken"
            outcomes.append(Outcome(*attempt, ending, payload, "", int(delay * 1000), most))
        call = scripts.turn(
            self.queue.tag, worker=worker.name, lease_ms=LEASE, want=want, types=wanted, outcomes=outcomes
        )
        reply = self._spy(call)
        for o in outcomes:
            if o.ending == "completed":
                expected.append(self.model.complete(o.job_id, o.token, {"n": 2}))
            else:
                word = self.model.fail(o.job_id, o.token, "broken", o.retry_delay_ms, o.max_retries)
                expected.append(word)
        got = [ending.value for ending in reply.endings]
        assert got == expected
        if want:
            self.model.claim(worker.name, want, wanted, LEASE, _tokens(reply.jobs))
        else:
            assert reply.jobs == []
        self._give(worker, reply.jobs, reply_lost)
        if again:
            self._send_again()

    @rule(n=workers, pick=picks, stale=sometimes, how=st.sampled_from(("complete", "fail", "progress")),
          retry_delay=st.none() | seconds, again=sometimes)  # fmt: skip
    def within_a_handler(
        self, n: int, pick: int, stale: bool, how: str, retry_delay: float | None, again: bool
    ) -> None:
        attempt = self._attempt(pick, self.workers[n], stale)
        job_id = attempt[0] if attempt else self._id(pick)
        with self._inside(attempt) as token:
            if how == "complete":
                word = self.queue.complete(job_id, ["done"]).value
                expected = self.model.complete(job_id, token, ["done"])
            elif how == "fail":
                word = self.queue.fail(job_id, "gave up", retry_delay=retry_delay).value
                most = spec.FINAL if retry_delay is None else spec.DEFAULT_MAX_RETRIES
                expected = self.model.fail(job_id, token, "gave up", int((retry_delay or 0) * 1000), most)
            else:
                word = self.queue.update_job_progress(job_id, pick, "from inside")
                expected = self.model.progress(job_id, token, pick, "from inside", False) == "updated"
        assert word == expected
        if again:
            self._send_again()

    @rule(n=workers, max_retries=st.sampled_from((3, 1, 0)), again=sometimes)
    def heartbeat(self, n: int, max_retries: int, again: bool) -> None:
        worker = self.workers[n]
        held = list(worker.held.items())
        call = scripts.heartbeat(
            self.queue.tag,
            worker=worker.name,
            lease_ms=LEASE,
            alive_ms=ALIVE,
            max_retries=max_retries,
            info="{}",
            held=held,
        )
        gone = self._spy(call)
        assert gone == self.model.heartbeat(worker.name, held, LEASE, ALIVE, max_retries)
        for job_id in gone:
            del worker.held[job_id]
        if again:
            self._send_again()

    @rule(n=workers, again=sometimes)
    def leave(self, n: int, again: bool) -> None:
        worker = self.workers[n]
        assert self._spy(scripts.leave(self.queue.tag, worker=worker.name)) == self.model.leave(worker.name)
        worker.held.clear()
        if again:
            self._send_again()

    @rule(n=workers, picked=st.lists(picks, max_size=3), stale=sometimes, again=sometimes)
    def release(self, n: int, picked: list[int], stale: bool, again: bool) -> None:
        worker = self.workers[n]
        found = {self._attempt(pick, worker, stale) for pick in picked}
        held = sorted(attempt for attempt in found if attempt)
        given_back = self._spy(scripts.release(self.queue.tag, worker=worker.name, held=held))
        assert given_back == self.model.release(worker.name, held)
        for job_id in given_back:
            worker.held.pop(job_id, None)
        if again:
            self._send_again()

    @rule(n=workers, seen=sometimes, again=sometimes)
    def die(self, n: int, seen: bool, again: bool) -> None:
        """It says nothing any more; its attempts may still speak up. Another one takes its place."""
        if seen:
            name, why = self.workers[n].name, "was killed"
            held = self._spy(scripts.lose(self.queue.tag, worker=name, why=why))
            assert held == self.model.bury(name, why)
            if again:
                self._send_again()
        self.deaths += 1
        self.workers[n] = Worker(f"w{n}-{self.deaths}", WORKERS_TYPES[n])

    # --- time -------------------------------------------------------------------------------------

    def _advance(self, ms: int) -> None:
        self.clock.advance(ms / 1000)
        self.model.now += ms
        assert self.clock.now_ms == self.model.now

    @rule(ms=st.sampled_from((1, 100, 2_000, 5_000, 10_000, 21_000)))
    def advance(self, ms: int) -> None:
        self._advance(ms)

    @rule(pick=st.integers(0, 5), off_by=st.sampled_from((-1, 0, 0, 1)), tends=st.booleans())
    def advance_to_the_moment(self, pick: int, off_by: int, tends: bool) -> None:
        moments = self.model.moments() or [self.model.now]
        self._advance(max(0, moments[pick % len(moments)] + off_by - self.model.now))
        if tends:
            self._tend()

    def _tend(self) -> None:
        self._spy(scripts.tend(self.queue.tag, limit=PLENTY))
        self._tended()

    def _tended(self) -> None:
        self.model.promote()
        self.model.recover()
        self.model.cleanup()

    @rule(again=sometimes)
    def promote(self, again: bool) -> None:
        count, wait_ms = self._spy(scripts.promote(self.queue.tag, limit=PLENTY))
        assert count == self.model.promote()
        dues = [job.due for job in self.model.in_place(spec.SCHEDULED)]
        assert wait_ms == (min(dues) - self.model.now if dues else None)
        if again:
            self._send_again()

    @rule(again=sometimes)
    def recover(self, again: bool) -> None:
        assert self._spy(scripts.recover(self.queue.tag, limit=PLENTY)) == self.model.recover()
        if again:
            self._send_again()

    @rule(again=sometimes)
    def cleanup(self, again: bool) -> None:
        done = self._spy(scripts.cleanup(self.queue.tag, limit=PLENTY, finished_before_ms=None))
        assert (done.aged, done.purged, done.expired) == self.model.cleanup()
        if again:
            self._send_again()

    # --- after each step --------------------------------------------------------------------------

    @invariant()
    def the_queue_is_sound_and_as_predicted(self) -> None:
        self.model.settle()
        assert self.queue.doctor() == []
        self._compare_jobs()
        self._compare_stats()

    def _compare_jobs(self) -> None:
        listed = self.queue.list_jobs(limit=10_000)
        expected = self.model.newest_first()
        assert [job.job_id for job in listed] == [job.id for job in expected]
        for shown, job in zip(listed, expected):
            assert _public(shown, job.public()) == job.public()

    def _compare_stats(self) -> None:
        stats = self._run(scripts.stats(self.queue.tag, limit=PLENTY))
        model = self.model
        assert stats.now_ms == model.now
        counts = {s: sum(job.status == s.value for job in model.jobs.values()) for s in JobStatus}
        assert stats.counts == counts
        assert stats.scheduled == len(model.in_place(spec.SCHEDULED))
        assert stats.leased == len(model.in_place(spec.INBOX, spec.HANDS))
        assert stats.parked == sum(parked.until >= model.now for parked in model.parked.values())
        assert stats.waiting == {t: len(line) for t, line in model.lines.items() if line}
        alive = {name for name, entry in model.registered.items() if entry.look_at >= model.now}
        assert {worker.name for worker in stats.workers} == alive


_TIMES = ("created_at", "updated_at", "due_at", "started_at", "finished_at")


def _public(shown: Job, expected: dict[str, Any]) -> dict[str, Any]:
    """The fields that the model predicts, times in milliseconds."""
    found = {name: getattr(shown, name) for name in expected}
    found["status"] = shown.status.value
    for name in _TIMES:
        if found[name] is not None:
            found[name] = round(datetime.fromisoformat(found[name]).timestamp() * 1000)
            assert getattr(shown, name) == iso(found[name])
    return found


def _tokens(found: list[Any]) -> list[Any]:
    return [(each.job_id, each.token) if isinstance(each, Claimed) else each for each in found]
