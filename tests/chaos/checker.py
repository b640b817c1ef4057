"""Decides whether a history is legal. Pure; each rule is a function that yields what breaks it.

python -m tests.chaos.checker DIRECTORY      checks a history that was kept
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import order
from .history import (
    FAILED,
    NEVER,
    OK,
    Claim,
    End,
    Final,
    FinalJob,
    History,
    Run,
    Sighting,
    Submit,
    claiming_calls,
    claims_of,
    ends_of,
    read,
    submits_of,
)

MOST_LISTED = 10_000
TERMINAL = ("completed", "failed", "cancelled")
_ENDS_AN_ATTEMPT = (*TERMINAL, "retrying")


@dataclass(slots=True)
class Violation:
    rule: str
    job_id: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.job_id}: {self.text}"


@dataclass(slots=True)
class Tale:
    """All that is known of one job."""

    job_id: str
    submits: list[Submit] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    final: FinalJob | None = None

    @property
    def retries(self) -> list[End]:
        """Calls that may have given it a new life."""
        return [e for e in self.ends if e.asked == "pending" and e.word in ("pending", "already", "")]

    @property
    def terminals(self) -> list[End]:
        """Calls that have ended it, as they were told."""
        return [e for e in self.ends if e.word in TERMINAL]

    def retried_between(self, after: int, before: int) -> bool:
        """Whether it may have been given a new life after one time and before another."""
        return any(e.completed >= after and e.invoked <= before for e in self.retries)


Broken = Iterator[tuple[str, str]]  # job id, text


class Case:
    """A history with its final state, by job."""

    def __init__(self, history: History, final: Final) -> None:
        self.history = history
        self.final = final
        tales: dict[str, Tale] = {}

        def tale(job_id: str) -> Tale:
            found = tales.get(job_id)
            if found is None:
                found = tales[job_id] = Tale(job_id)
            return found

        for call in history.calls:
            if "jobs" in call.asked:
                for submit in submits_of(call):
                    tale(submit.job_id).submits.append(submit)
                continue
            for end in ends_of(call):
                tale(end.job_id).ends.append(end)
            if call.script in order.CLAIMING:
                for claim in claims_of(call):
                    tale(claim.job_id).claims.append(claim)
        _note_those_before_the_reply(history)
        for run in history.runs:
            tale(run.job_id).runs.append(run)
        for sighting in history.sightings:
            tale(sighting.job_id).sightings.append(sighting)
        for job_id, job in final.jobs.items():
            tale(job_id).final = job
        self.tales = tales


def _note_those_before_the_reply(history: History) -> None:
    """A job that is handed over is run while its worker's `adopt` is on its way, its last call until then."""
    asked = claiming_calls(history)
    for run in history.runs:
        calls = asked.get(run.worker, [])
        at = bisect_right(calls, run.begun, key=lambda call: call.invoked)
        run.before_the_reply = (
            at > 0 and calls[at - 1].script == "adopt" and calls[at - 1].completed >= run.begun
        )


# --- of each job ----------------------------------------------------------------------------------


def lost(tale: Tale) -> Iterator[str]:
    """An acknowledged job has a record to the end."""
    acknowledged = min((s.call.completed for s in tale.submits if s.call.outcome == OK), default=NEVER)
    if tale.final is None and acknowledged < NEVER:
        yield "its submit was acknowledged, and there is no record of it"
    if any(s.status == "missing" and s.invoked > acknowledged for s in tale.sightings):
        yield "its submit was acknowledged, and then there was no record of it"


def invented(tale: Tale) -> Iterator[str]:
    """A job that nobody submitted, or whose submit was refused, doesn't exist."""
    if tale.final is not None and all(s.call.outcome == FAILED for s in tale.submits):
        yield "it exists, and no submit of it may have been accepted"


def submitted_twice(tale: Tale) -> Iterator[str]:
    """One id is one submission, however often it was sent."""
    numbers = {claim.seq for claim in tale.claims}
    if tale.final is not None:
        numbers.add(tale.final.seq)
    if len(numbers) > 1:
        yield f"it has the submission numbers {sorted(numbers)}"


def stuck(tale: Tale) -> Iterator[str]:
    """When everything has come to rest, every job has come to an end."""
    if tale.final is not None and tale.final.status not in TERMINAL:
        yield f"it is {tale.final.status} after everything has come to rest"


def committed_twice(tale: Tale) -> Iterator[str]:
    """A life ends once: of all the calls that want to end it one is accepted."""
    ends, retries = tale.terminals, tale.retries
    if len(ends) > 1 + len(retries):
        told = ", ".join(f"{e.word} by {e.token or 'someone outside'}" for e in ends)
        yield f"{told}, with {len(retries)} retries"


def attempt_ended_twice(tale: Tale) -> Iterator[str]:
    """An attempt ends once; a second report of it is told "already"."""
    ended: set[str] = set()
    for end in tale.ends:
        if end.token and end.word in _ENDS_AN_ATTEMPT:
            if end.token in ended:
                yield f"attempt {end.token} was accepted twice"
            ended.add(end.token)


def stale_accepted(tale: Tale) -> Iterator[str]:
    """An attempt is refused once a later one has begun."""
    if len(tale.claims) < 2:
        return
    for end in tale.ends:
        if end.token and end.word in _ENDS_AN_ATTEMPT:
            number = int(end.token.partition(".")[2])
            for claim in tale.claims:
                if claim.attempt > number and claim.call.completed < end.invoked:
                    yield f"attempt {number} was {end.word} after attempt {claim.attempt} had begun"


def changed_after_its_end(tale: Tale) -> Iterator[str]:
    """A terminal state doesn't change, but by a retry."""
    known = [(e.word, e.invoked, e.completed) for e in tale.terminals]
    known += [(s.status, s.invoked, s.completed) for s in tale.sightings if s.status in TERMINAL]
    for status, begun, since in known:
        for seen in tale.sightings:
            if (
                seen.invoked > since
                and seen.status != status
                and not tale.retried_between(begun, seen.completed)
            ):
                yield f"it was {status}, and then {seen.status}"
        for claim in tale.claims:
            if claim.call.invoked > since and not tale.retried_between(begun, claim.call.completed):
                yield f"it was {status}, and then claimed (attempt {claim.attempt})"
        if tale.final is not None and tale.final.status != status and not tale.retried_between(begun, NEVER):
            yield f"it was {status}, and in the end {tale.final.status}"


def ended_by_nobody(tale: Tale) -> Iterator[str]:
    """A terminal state comes of a call that asked for it (or of a lost worker, or a ttl)."""
    final = tale.final
    if final is None or final.status not in TERMINAL:
        return
    if final.error.startswith("worker lost") or final.error.startswith("expired"):
        return
    if not any(e.asked == final.status and e.word in (final.status, "already", "") for e in tale.ends):
        yield f"it is {final.status}, and nobody has said so"


def never_ran(tale: Tale) -> Iterator[str]:
    """A job that an attempt completed has run in that attempt."""
    if tale.final is None or tale.final.status != "completed" or tale.final.by_other:
        return
    token = f"{tale.final.seq}.{tale.final.attempt}"
    if not any(run.token == token for run in tale.runs):
        yield f"attempt {token} completed it, and no handler ran in it"


def ran_twice_in_one_attempt(tale: Tale) -> Iterator[str]:
    """An attempt is one run of the handler, in one worker."""
    if len(tale.runs) < 2:
        return
    ran: set[str] = set()
    for run in tale.runs:
        if run.token in ran:
            yield f"attempt {run.token} ran twice"
        ran.add(run.token)


def attempt_of_two_workers(tale: Tale) -> Iterator[str]:
    if len(tale.claims) < 2:
        return
    holders: dict[int, str] = {}
    for claim in tale.claims:
        holder = holders.setdefault(claim.attempt, claim.call.process)
        if holder != claim.call.process:
            yield f"attempt {claim.attempt} was given to {holder} and to {claim.call.process}"


def ran_unclaimed(tale: Tale) -> Iterator[str]:
    """A handler runs an attempt that its own worker was given, or was handed and asks for."""
    given = {(c.call.process, f"{c.seq}.{c.attempt}") for c in tale.claims}
    for run in tale.runs:
        if (run.worker, run.token) not in given and not run.before_the_reply:
            yield f"{run.worker} ran attempt {run.token}, which it was not given"


OF_A_JOB: tuple[Callable[[Tale], Iterator[str]], ...] = (
    lost,
    invented,
    submitted_twice,
    stuck,
    committed_twice,
    attempt_ended_twice,
    stale_accepted,
    changed_after_its_end,
    ended_by_nobody,
    never_ran,
    ran_twice_in_one_attempt,
    attempt_of_two_workers,
    ran_unclaimed,
)


# --- of the whole ---------------------------------------------------------------------------------


def submitted_out_of_order(case: Case) -> Broken:
    """A later submit has later numbers, and the jobs of one call stand in its order."""
    return order.of_submission(case.final, (t.submits for t in case.tales.values()))


def claimed_out_of_order(case: Case) -> Broken:
    """First attempts of one lane begin in the order of submission."""
    untouched = (t for t in case.tales.values() if not any(not e.token for e in t.ends))
    return order.of_first_attempts(case.history, ((t.submits, t.claims) for t in untouched))


def doctor_finds_something(case: Case) -> Broken:
    for problem in case.final.problems:
        yield "doctor", problem


def wrong_counts(case: Case) -> Broken:
    """The counters agree with the records."""
    counted: dict[str, int] = defaultdict(int)
    for job in case.final.jobs.values():
        counted[job.status] += 1
    for status in {*counted, *case.final.counts}:
        if counted[status] != case.final.counts.get(status, 0):
            yield "stats", f"{case.final.counts.get(status, 0)} {status}, by the records {counted[status]}"
    if case.final.scheduled > counted["pending"]:
        yield "stats", f"{case.final.scheduled} scheduled, by the records {counted['pending']} pending"
    if case.final.leased > counted["pending"] + counted["processing"]:
        yield (
            "stats",
            f"{case.final.leased} leased of {counted['pending'] + counted['processing']} unfinished",
        )


def wrong_listing(case: Case) -> Broken:
    """A listing names the jobs that fit, each once, newest first."""
    for filters, listed in case.final.listings:
        fit = [
            (job.seq, job_id)
            for job_id, job in case.final.jobs.items()
            if all(getattr(job, name) == value for name, value in filters.items())
        ]
        expected = [job_id for _, job_id in sorted(fit, reverse=True)]
        if listed != expected[: len(listed)] or len(listed) != min(len(expected), MOST_LISTED):
            yield (
                "list_jobs",
                f"{filters}: {len(listed)} jobs listed, {len(expected)} fit, or in another order",
            )


def script_failed(case: Case) -> Broken:
    """No script ends with an error of its own."""
    for call in case.history.calls:
        if call.outcome != OK and "ScriptFailedError" in str(call.reply):
            yield call.process, f"{call.script}: {call.reply}"


OF_THE_WHOLE: tuple[Callable[[Case], Broken], ...] = (
    submitted_out_of_order,
    claimed_out_of_order,
    doctor_finds_something,
    wrong_counts,
    wrong_listing,
    script_failed,
)


def check(history: History, final: Final) -> list[Violation]:
    case = Case(history, final)
    found = [
        Violation(rule.__name__, tale.job_id, text)
        for tale in case.tales.values()
        for rule in OF_A_JOB
        for text in rule(tale)
    ]
    for whole in OF_THE_WHOLE:
        found += [Violation(whole.__name__, subject, text) for subject, text in whole(case)]
    return found


def main() -> None:
    from .final import load

    directory = Path(sys.argv[1])
    found = check(read(directory), load(directory))
    for violation in found[:100]:
        print(violation)
    print(f"{len(found)} violations")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
