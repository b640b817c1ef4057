"""What the actors ask of the server: plain tuples, so that a state can hold them and a set compare
them. Here they become the calls that a real client makes, and their replies plain tuples again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from faciliter_jobs import JobConfig, JobSpec, keys, scripts, validate
from faciliter_jobs.scripts import NewJob, Outcome

JOBS = ("a", "b")

LEASE_MS = 10_000
PARK_MS = {"w2": 7_500}  # longer than one step of time
SHORT_PARK_MS = 1_500
RETRY_MS = 3_000
PLENTY = 100

HEALTHY = "healthy"  # the worker that must be able to finish everything

Attempt = tuple[str, str]  # job id, token
Ended = tuple[str, str, str]  # job id, token, how it ended


class Asked(NamedTuple):
    """One script call, or the BLMOVE of a worker that waits (`move`)."""

    script: str
    worker: str = ""
    what: tuple[Any, ...] = ()

    def __str__(self) -> str:
        details = ", ".join(_shown(part) for part in self.what)
        return f"{self.script}({details})"


def _shown(part: Any) -> str:
    if isinstance(part, tuple):
        return "[" + " ".join(_shown(p) for p in part) + "]"
    return str(part)


class Given(NamedTuple):
    """A reply, as far as an actor or a check goes by it."""

    jobs: tuple[Attempt, ...] = ()
    words: tuple[str, ...] = ()  # one for each outcome
    wait: bool = False  # whether to wait on the inbox
    moved: str = ""  # move: which job


@dataclass(frozen=True)
class Terms:
    """What the jobs and the workers of an exploration have been told."""

    max_retries: int = 3  # the workers'
    own_max_retries: int | None = None  # the jobs'
    alive_ms: int = 86_400_000  # a worker that is silent for longer is gone
    step_ms: int = 6_000  # passes at once: more than park and hand-off take, and than half a lease
    ttl: float = 86_400  # the jobs', in seconds
    companies: tuple[str | None, str | None] = (None, None)  # whose jobs they are; all of one user
    types: tuple[str, str] = ("t", "t")  # the jobs'; every worker serves them all
    delay: float | None = None  # the second job's, in seconds

    @property
    def served(self) -> list[str]:
        return list(dict.fromkeys(self.types))

    @property
    def expire(self) -> bool:
        """Whether jobs live to see the end of their ttl."""
        return self.ttl < 3600


Command = tuple[tuple[Any, ...] | scripts.Call[Any], Callable[[Any], Given]]


def command(tag: str, asked: Asked, terms: Terms) -> Command:
    """The call (or a plain command), and what reads its reply."""
    script, worker, what = asked
    if script == "move":
        inbox, hands = keys.inbox(tag, worker), keys.processing(tag, worker)
        return ("LMOVE", inbox, hands, "LEFT", "RIGHT"), _moved
    return _BUILD[script](tag, worker, terms, *what)


def _moved(reply: Any) -> Given:
    return Given(moved=reply.decode() if reply else "")


def _nothing(_: Any) -> Given:
    return Given()


def _word(ending: scripts.Ending) -> Given:
    return Given(words=(ending.value,))


def _jobs(claimed: Any) -> tuple[Attempt, ...]:
    return tuple((each.job_id, each.token) for each in claimed)


def _new(job_id: str, terms: Terms) -> NewJob:
    at = JOBS.index(job_id)
    company = terms.companies[at]
    spec = JobSpec(
        terms.types[at],
        job_id=job_id,
        company_id=company,
        user_id="ann" if company else None,
        ttl=terms.ttl,
        max_retries=terms.own_max_retries,
        delay=terms.delay if at == 1 else None,
    )
    return validate.new_job(spec, JobConfig())


def _submit_one(tag: str, _: str, terms: Terms, job_id: str) -> Command:
    return scripts.submit_one(tag, job=_new(job_id, terms)), _nothing


def _submit(tag: str, _: str, terms: Terms, *job_ids: str) -> Command:
    return scripts.submit(tag, jobs=[_new(job_id, terms) for job_id in job_ids]), _nothing


def _park_ms(worker: str) -> int:
    return PARK_MS.get(worker, SHORT_PARK_MS)


def _park(
    tag: str, worker: str, terms: Terms, want: int, known: tuple[str, ...] = (), slots: int = 1
) -> Command:
    call = scripts.park(
        tag, worker=worker, lease_ms=LEASE_MS, park_ms=_park_ms(worker), want=want,
        slots=slots, tend_limit=PLENTY, types=terms.served, known=known,
    )  # fmt: skip
    return call, lambda parked: Given(_jobs(parked.jobs), wait=parked.wait_ms != 0)


def _adopt(tag: str, worker: str, _: Terms, known: tuple[str, ...] = ()) -> Command:
    call = scripts.adopt(tag, worker=worker, lease_ms=LEASE_MS, known=known)
    return call, lambda claimed: Given(_jobs(claimed))


def outcome(ended: Ended, terms: Terms) -> Outcome:
    job_id, token, ending = ended
    if ending == "completed":
        return Outcome(job_id, token, ending, b"\xc0")
    if ending == "postponed":
        return Outcome(job_id, token, ending, "no key", retry_delay_ms=RETRY_MS)
    delay_ms = RETRY_MS if ending == "failed, later again" else 0
    return Outcome(job_id, token, "failed", "broken", "", delay_ms, terms.max_retries)


def _turn(
    tag: str,
    worker: str,
    terms: Terms,
    ended: tuple[Ended, ...],
    want: int,
    slots: int = 1,
    parks: bool = False,
) -> Command:
    outcomes = [outcome(each, terms) for each in ended]
    call = scripts.turn(
        tag, worker=worker, lease_ms=LEASE_MS, want=want, slots=slots,
        park_ms=_park_ms(worker) if parks else 0, types=terms.served, outcomes=outcomes,
    )  # fmt: skip
    return call, lambda turned: Given(
        _jobs(turned.jobs), tuple(e.value for e in turned.endings), wait=turned.parked is not None
    )


def _heartbeat(tag: str, worker: str, terms: Terms, held: tuple[Attempt, ...]) -> Command:
    call = scripts.heartbeat(
        tag, worker=worker, lease_ms=LEASE_MS, alive_ms=terms.alive_ms, max_retries=terms.max_retries,
        info="{}", held=held,
    )  # fmt: skip
    return call, _nothing


def _release(tag: str, worker: str, _: Terms, held: tuple[Attempt, ...]) -> Command:
    return scripts.release(tag, worker=worker, held=held), _nothing


def _leave(tag: str, worker: str, _: Terms) -> Command:
    return scripts.leave(tag, worker=worker), _nothing


def _lose(tag: str, worker: str, _: Terms) -> Command:
    return scripts.lose(tag, worker=worker, why="it was killed"), _nothing


def _tend(tag: str, _: str, __: Terms) -> Command:
    return scripts.tend(tag, limit=PLENTY), _nothing


def _complete(tag: str, _: str, __: Terms, job_id: str, token: str, op: str) -> Command:
    return scripts.complete(tag, job_id=job_id, token=token, op=op, result=b"\xc0"), _word


def _fail(tag: str, _: str, terms: Terms, job_id: str, token: str, op: str) -> Command:
    call = scripts.fail(
        tag, job_id=job_id, token=token, op=op, error="broken", traceback="", retry_delay_ms=0,
        max_retries=terms.max_retries if token else -1,
    )  # fmt: skip
    return call, _word


def _run_again(tag: str, _: str, __: Terms, job_id: str, op: str) -> Command:
    call = scripts.fail(
        tag, job_id=job_id, token="", op=op, error="run it again", traceback="", retry_delay_ms=0,
        max_retries=None,
    )  # fmt: skip
    return call, _word


def _progress(tag: str, _: str, __: Terms, job_id: str, token: str, ___: str) -> Command:
    call = scripts.progress(
        tag, job_id=job_id, token=token, progress=50, message="half of it", backwards=False
    )
    return call, _word


def _cancel(tag: str, _: str, __: Terms, job_id: str, op: str) -> Command:
    return scripts.cancel(tag, job_id=job_id, op=op, reason="unwanted"), _word


def _retry(tag: str, _: str, __: Terms, job_id: str, op: str) -> Command:
    return scripts.retry(tag, job_id=job_id, op=op), _word


_BUILD: dict[str, Callable[..., Command]] = {
    "submit_one": _submit_one,
    "submit": _submit,
    "park": _park,
    "adopt": _adopt,
    "turn": _turn,
    "heartbeat": _heartbeat,
    "release": _release,
    "leave": _leave,
    "lose": _lose,
    "tend": _tend,
    "complete": _complete,
    "fail": _fail,
    "run_again": _run_again,
    "progress": _progress,
    "cancel": _cancel,
    "retry": _retry,
}
