"""What must hold: of each step, of each state, and of where a healthy worker gets from there."""

from __future__ import annotations

from typing import Any

from faciliter_jobs import scripts
from faciliter_jobs.doctor import _FAMILIES
from faciliter_jobs.job import TERMINAL, JobStatus
from faciliter_jobs.scripts import Call
from tests.protocol.calls import HEALTHY, JOBS, LEASE_MS, Asked, Given, Terms, command
from tests.protocol.contents import START_MS, JobView, Parsed, View
from tests.support.contract import moves_of

Sendable = Call[Any] | tuple[Any, ...]

_ENDED = {status.value for status in TERMINAL}
_ACCEPTED = {"completed", "failed", "retrying", "updated"}
ENDS = {"completed", "failed", "retrying", "cancelled", "pending"}  # the words for "done, by this call"
_OPERATORS = {"complete", "fail", "run_again", "cancel", "retry"}  # may take a job from whoever holds it
_MOVES = {name: moves_of("fail" if name == "run_again" else name) for name in (
    "submit", "submit_one", "park", "adopt", "turn", "heartbeat", "release", "leave", "lose", "tend",
    "complete", "fail", "run_again", "progress", "cancel", "retry", "move",
)}  # fmt: skip


_NAMELESS = ("run_again", "cancel", "leave", "lose")  # they end an attempt without its token


# --- a step -----------------------------------------------------------------------------------------


def of_a_step(asked: Asked, given: Given, before: View, after: View, terms: Terms) -> str | None:
    """What is wrong with it, or None."""
    for job_id in {**before.jobs, **after.jobs}:
        was, is_ = before.jobs.get(job_id), after.jobs.get(job_id)
        problem = _change(asked, was, is_) or _handed_over(was, is_, before)
        if was and is_ and was != is_:
            problem = problem or _of_one_job(asked, was, is_, terms)
        if problem:
            return f"{job_id}: {problem}"
    return (
        _claimed_alone(asked, before, after) or _fencing(asked, given, before) or _reply(asked, given, after)
    )


def _change(asked: Asked, was: JobView | None, is_: JobView | None) -> str | None:
    old, new = was and JobStatus(was.status), is_ and JobStatus(is_.status)
    if old is not new and (old, new) not in _MOVES[asked.script]:
        return f"{asked.script} moved it from {old and old.name} to {new and new.name}"
    expired = new is None or (new is JobStatus.CANCELLED and old is not new and asked.script != "cancel")
    if was and expired and not was.is_over:
        return f"{asked.script} ended it before its ttl had passed"
    return None


def _handed_over(was: JobView | None, is_: JobView | None, before: View) -> str | None:
    """Only to a worker that waits."""
    if is_ is None or is_.status != "pending" or is_.worker is None or (was and was.worker == is_.worker):
        return None
    return None if is_.worker in before.parked else f"handed to {is_.worker}, which was not parked"


def _of_one_job(asked: Asked, was: JobView, is_: JobView, terms: Terms) -> str | None:
    if was.status in _ENDED and asked.script != "retry":
        return f"it had {was.status}, and its record was changed"
    others = was.is_leased and asked.worker != was.worker and asked.script not in _OPERATORS
    if others and (is_.worker, is_.token, is_.lease) != (was.worker, was.token, was.lease):
        return f"taken from {was.worker}, whose lease had not passed"
    return _attempt(asked, was, is_) or _count(asked, was, is_, terms)


def _claimed_alone(asked: Asked, before: View, after: View) -> str | None:
    """A job that may have killed a worker isn't claimed with others, nor by a worker that holds some."""
    slots = asked.what[2] if asked.script in ("park", "turn") and len(asked.what) > 2 else 1
    for job_id, is_ in after.jobs.items():
        was = before.jobs.get(job_id)
        begins = is_.status == "processing" and was is not None and _ends_or_begins(was, is_)
        is_alone = is_.losses > 1 if slots > 1 else is_.losses or is_.is_last
        if not (begins and is_alone) or (was and was.worker == is_.worker):
            continue  # what stands in a worker's own lists is the worker's
        if others := [
            k for k, j in after.jobs.items() if k != job_id and j.is_live and j.worker == is_.worker
        ]:
            return f"{job_id}: to be claimed alone, and {is_.worker} holds {others}, too"
    return None


def _attempt(asked: Asked, was: JobView, is_: JobView) -> str | None:
    """A call may end an attempt and begin the next; it is the caller's, and its number is new."""
    begins = is_.status == "processing" and _ends_or_begins(was, is_)
    if is_.attempt != was.attempt + (_has_number(is_) and not _goes_on(was, is_)):
        return f"attempt {was.attempt} became {is_.attempt}"
    if begins and is_.worker != asked.worker:
        return f"{asked.worker} started it in the hands of {is_.worker}"
    if is_.status == "processing" and not begins and is_.worker != was.worker:
        return f"{was.worker}'s attempt became {is_.worker}'s"
    runs = was.status == "processing" and was.is_leased and asked.script not in _NAMELESS
    if runs and _ends_or_begins(was, is_) and not _names(asked, was.token):
        return f"{asked.script} ended attempt {was.token}, which it did not name, before its lease passed"
    return None


def _has_number(job: JobView) -> bool:
    """Its next attempt runs, or has been handed over and is to begin."""
    return job.status == "processing" or (job.status == "pending" and job.worker is not None)


def _goes_on(was: JobView, is_: JobView) -> bool:
    is_same = _has_number(was) and _has_number(is_) and was.attempt == is_.attempt
    return is_same and (was.status, is_.status) != ("processing", "pending")


def _ends_or_begins(was: JobView, is_: JobView) -> bool:
    return was.status != is_.status or was.token != is_.token


def _names(asked: Asked, token: str) -> bool:
    """A call from outside names no attempt: it ends whichever runs."""
    if asked.script in ("complete", "fail"):
        return asked.what[1] in ("", token)
    named = asked.what[0] if asked.script in ("turn", "release") else ()
    return any(each[1] == token for each in named)


def _count(asked: Asked, was: JobView, is_: JobView, terms: Terms) -> str | None:
    """An attempt that ends the job not for good is counted, as a retry or as given back; one that was handed
    over and not begun always."""
    if asked.script in ("retry", "run_again"):
        return None  # with all its retries; without using one
    over = _has_number(was) and not _goes_on(was, is_)
    again = over and (is_.status not in _ENDED or was.status == "pending")
    counted = is_.retries + is_.returned - was.retries - was.returned
    if counted != again:
        return f"{was.token} ended: {again}, and the counts rose by {counted}"
    if over and was.status == "pending" and is_.returned == was.returned:
        return f"{was.token} was handed over and not begun, and is not counted as given back"
    most = terms.max_retries if terms.own_max_retries is None else terms.own_max_retries
    return f"tried again {is_.retries} times, and {most} were allowed" if is_.retries > most else None


def reports(asked: Asked) -> list[tuple[str, str]]:
    """The job and the token, or the op of a call from outside, of each end that a call reports."""
    if asked.script == "turn":
        return [(job_id, token) for job_id, token, _ in asked.what[0]]
    if asked.script in ("complete", "fail"):
        job_id, token, op = asked.what
        return [(job_id, token or op)]
    if asked.script in ("run_again", "cancel", "retry"):
        return [asked.what]
    return []


def ends(asked: Asked, word: str) -> bool:
    """Whether the word says that this very call has done what it asks for ("pending": it waited already)."""
    return word in ENDS and not (
        asked.script == "run_again" and word == "pending"
    )  # it waited: nothing to do


def _fencing(asked: Asked, given: Given, before: View) -> str | None:
    """A report is taken from the attempt that runs, and from no other."""
    said = [asked.what[:2]] if asked.script == "progress" else reports(asked)
    for (job_id, token), word in zip(said, given.words):
        if token.startswith("op:"):
            continue
        job = before.jobs.get(job_id)
        runs = job is not None and job.status == "processing" and job.token == token
        if runs != (word in _ACCEPTED):
            return f"{job_id}: {asked.script} by {token} said {word}, when it was {job}"
    return None


def of_the_words(asked: Asked, given: Given, before: View, ended: frozenset[str]) -> str | None:
    """`ended` names the attempts and calls that have ended a job so far: each does so once, and what is
    sent again hears that it was done."""
    for (job_id, token), word in zip(reports(asked), given.words):
        job = before.jobs.get(job_id)
        if ends(asked, word):
            if token in ended:
                return f"{job_id}: {token} ended it a second time"
        elif word == "already":
            if token not in ended:
                return f"{job_id}: {token} was told that it had ended the job, and it had not"
        elif word == "stale" and token in ended and job and job.token == token:
            return f"{job_id}: {token} had ended the job, and was told that it came too late"
        elif word == "finished" and token in ended:
            return f"{job_id}: {token} had ended the job, and was told that another had"
    return None


def _reply(asked: Asked, given: Given, after: View) -> str | None:
    """What the caller may rely on from now on."""
    checks = {
        "submit": _kept, "submit_one": _kept, "park": _told, "adopt": _told, "turn": _parks,
        "heartbeat": _renewed, "leave": _left, "lose": _left, "release": _released,
    }  # fmt: skip
    check = checks.get(asked.script)
    return check(asked, given, after) if check else None


def _kept(asked: Asked, _: Given, after: View) -> str | None:
    lost = [job_id for job_id in asked.what if job_id not in after.jobs]
    return f"{lost} submitted, and in no record" if lost else None


def _told(asked: Asked, given: Given, after: View) -> str | None:
    """A worker that asks what it holds is told all of it; one that waits holds nothing."""
    told, known = dict(given.jobs), _known(asked)
    for job_id, job in after.jobs.items():
        mine = job.is_live and job.worker == asked.worker
        if job_id not in told and mine and job_id in known:
            continue
        if mine != (job_id in told) or (mine and told[job_id] != job.token):
            return f"{job_id}: {asked.script} told {asked.worker} {told}, and it is {job}"
    if asked.script == "park" and (asked.worker in after.parked) != (given.wait and not told):
        return f"{asked.worker} was told to {'wait' if given.wait else 'go on'}, parked: {after.parked}"
    return None


def _held(worker: str, view: View) -> list[str]:
    return [job_id for job_id, job in view.jobs.items() if job.is_live and job.worker == worker]


def _parks(asked: Asked, given: Given, after: View) -> str | None:
    """As `_told` says of one that waits."""
    held = _held(asked.worker, after)
    if given.wait and (held or asked.worker not in after.parked):
        return f"{asked.worker} was told to wait, holds {held}, parked: {after.parked}"
    return None


def _known(asked: Asked) -> tuple[str, ...]:
    """Ids that a worker with several slots need not be told of."""
    at = 0 if asked.script == "adopt" else 1
    return asked.what[at] if len(asked.what) > at else ()


def _renewed(asked: Asked, _: Given, after: View) -> str | None:
    for job_id, token in asked.what[0]:
        job = after.jobs.get(job_id)
        if job and job.status == "processing" and job.token == token and job.lease != START_MS + LEASE_MS:
            return f"{job_id}: {asked.worker} renewed its lease, and it is {job.lease}"
    return None


def _left(asked: Asked, _: Given, after: View) -> str | None:
    """Nothing waits for the worker, and it waits for nothing."""
    held = _held(asked.worker, after)
    if held or asked.worker in after.parked:
        return f"{asked.worker} left, and holds {held}, parked: {after.parked}"
    return None


def _released(asked: Asked, _: Given, after: View) -> str | None:
    for job_id, token in asked.what[0]:
        job = after.jobs.get(job_id)
        if job and job.status == "processing" and job.token == token:
            return f"{job_id}: {asked.worker} gave {token} back, and it runs"
    return None


# --- a state ----------------------------------------------------------------------------------------


def doctors_looks(tag: str, parsed: Parsed, thorough: bool) -> list[Call[Any]]:
    """What queue.doctor() would ask of this state: about the records, and about the structures, too,
    when it is to be thorough (Parsed.problems looks at those each time)."""
    looks: list[Call[Any]] = [scripts.check_jobs(tag, job_ids=list(parsed.records))]
    for name in parsed.names if thorough else ():
        family = _FAMILIES.get(name.partition(":")[0].encode())
        if family:
            looks.append(scripts.check_members(tag, family=family, name=name.encode(), start=0, count=200))
    return looks


_ROUNDS = 2


def healthy_schedule(tag: str, terms: Terms, view: View) -> list[Sendable]:
    """The producer submits what it has not, and nobody but one healthy worker does anything more: each
    time that all leases have passed, it looks for work and does it."""
    calls: list[Sendable] = []
    if len(view.jobs) < len(JOBS):
        calls.append(command(tag, Asked("submit", what=JOBS), terms)[0])
    # It may report jobs that it was not given: that must be refused.
    ended = tuple((job_id, token, "completed") for job_id in JOBS for token in _next_tokens(view, job_id))
    now = START_MS
    for _ in range(_ROUNDS):
        now += LEASE_MS + 1_000
        calls.append(("SET", tag + "test-clock", now))
        for each in (Asked("park", HEALTHY, (2,)), Asked("turn", HEALTHY, (ended, 0))):
            calls.append(command(tag, each, terms)[0])
    return calls


def _next_tokens(view: View, job_id: str) -> list[str]:
    """Its next attempts: of the first two it may be that they are handed to workers that do nothing more."""
    job = view.jobs.get(job_id)
    if job:
        return [f"{job.seq}.{job.attempt + more}" for more in (1, 2, 3)]
    missing = [each for each in JOBS if each not in view.jobs]
    return [f"{view.seq + missing.index(job_id) + 1}.{number}" for number in (1, 2, 3)]


def of_the_end(parsed: Parsed, terms: Terms) -> list[str]:
    found = [f"after a healthy worker: {text}" for text in parsed.problems()]
    for job_id in JOBS:
        status = parsed.records.get(job_id, {}).get("status")
        if status not in _ENDED and not (status is None and terms.expire):
            found.append(f"stuck: a healthy worker left {job_id} {status or 'unsubmitted'}")
    return found
