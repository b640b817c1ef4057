"""What happened, as the processes saw it: each writes JSON lines into a file of its own (recording.py),
and this puts them together. Pure: no queue, no server.

Lines, times in ns of the machine's one monotonic clock:

    {"do": script, "n": number of the call, "t": invoked, ...what was asked}
    {"done": n, "t": completed, "ok": reply} or "failed": why, or "unknown": why
    {"ran": token, "job": id, "t": begun, "end": ended, "how": "ok" or "raised"}; without "end": it began
    {"saw": id, "status": status, "t": invoked, "end": completed}
    {"fault": kind, "t": when, ...}

A call without a "done" line is one whose process was killed in the middle: unknown.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NEVER = 1 << 62

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
CLAIMING = ("claim", "park", "adopt", "turn")
_ASKED = {"complete": "completed", "fail": "failed", "cancel": "cancelled", "retry": "pending"}


@dataclass(slots=True)
class Call:
    process: str  # a worker's is its name
    script: str
    invoked: int
    asked: dict[str, Any]
    completed: int = NEVER
    outcome: str = UNKNOWN
    reply: Any = None  # the reply, or why there is none


@dataclass(slots=True)
class Submit:
    job_id: str
    job_type: str
    company: str
    plain: bool  # ready at once
    position: int  # within its call
    call: Call


@dataclass(slots=True)
class Claim:
    job_id: str
    seq: int
    attempt: int
    call: Call


@dataclass(slots=True)
class End:
    """What was asked of a job, and the word that came back: "" = unknown, "none" = surely nothing was
    done."""

    job_id: str
    asked: str  # "completed", "failed", "cancelled", "pending" (a retry)
    word: str
    token: str  # "" = from outside
    invoked: int
    completed: int


@dataclass(slots=True)
class Run:
    job_id: str
    token: str
    worker: str
    begun: int
    ended: int = NEVER
    how: str = ""  # "ok", "raised", or "" when it never ended
    before_the_reply: bool = False  # to the `adopt` that its worker had sent: it was handed over


@dataclass(slots=True)
class Sighting:
    job_id: str
    status: str  # "missing" = there was no record
    invoked: int
    completed: int


@dataclass
class History:
    calls: list[Call] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class FinalJob:
    status: str
    seq: int
    attempt: int
    job_type: str
    company: str
    user: str
    error: str
    by_other: bool  # its end wasn't its attempt's own: from outside, a lost worker, its ttl


@dataclass
class Final:
    """The queue's state after everything has come to rest."""

    jobs: dict[str, FinalJob] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # stats(), by status
    scheduled: int = 0
    leased: int = 0
    listings: list[tuple[dict[str, str], list[str]]] = field(
        default_factory=list
    )  # filters, ids newest first
    problems: list[str] = field(default_factory=list)  # doctor()


def read(directory: Path) -> History:
    history = History()
    for path in sorted(directory.glob("*.jsonl")):
        add_lines(history, path.stem, path.read_text(errors="replace").split("\n"))
    return history


def add_lines(history: History, process: str, lines: Iterable[str]) -> None:
    calls: dict[int, Call] = {}
    begun: dict[str, Run] = {}
    for line in _parsed(lines):
        if "do" in line:
            call = Call(process, line.pop("do"), line.pop("t"), line)
            calls[line.pop("n")] = call
            history.calls.append(call)
        elif "done" in line:
            call = calls.pop(line["done"])
            call.completed = line["t"]
            call.outcome = next(word for word in (OK, FAILED, UNKNOWN) if word in line)
            call.reply = line[call.outcome]
            if call.outcome == UNKNOWN:
                call.completed = NEVER  # it may still be carried out
        elif "ran" in line:
            _add_run(history, begun, process, line)
        elif "saw" in line:
            history.sightings.append(Sighting(line["saw"], line["status"], line["t"], line["end"]))
        else:
            history.faults.append(line)


def _parsed(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The last line of a process that was killed may be cut; no other may."""
    cut = None
    for line in lines:
        if not line:
            continue
        if cut is not None:
            raise ValueError(f"a damaged line within a history: {cut[:200]!r}")
        try:
            yield json.loads(line)
        except ValueError:
            cut = line


def _add_run(history: History, begun: dict[str, Run], process: str, line: dict[str, Any]) -> None:
    """A handler that may take long notes its beginning too."""
    token = line["ran"]
    if "end" in line and token in begun:
        run = begun.pop(token)
    else:
        run = Run(line["job"], token, process, line["t"])
        history.runs.append(run)
    if "end" in line:
        run.ended, run.how = line["end"], line["how"]
    else:
        begun[token] = run


def submits_of(call: Call) -> Iterator[Submit]:
    for position, (job_id, job_type, company, plain) in enumerate(call.asked["jobs"]):
        yield Submit(job_id, job_type, company, bool(plain), position, call)


def claims_of(call: Call) -> Iterator[Claim]:
    if call.outcome != OK:
        return
    claims = call.reply["claims"] if call.script == "turn" else call.reply
    for job_id, token in claims:
        seq, _, attempt = token.partition(".")
        yield Claim(job_id, int(seq), int(attempt), call)


def may_have_parked(call: Call) -> bool:
    """Whether its worker may wait on its inbox after it."""
    if not call.asked.get("park_ns"):
        return False
    if call.outcome != OK:
        return True
    return bool(call.reply["parked"]) if call.script == "turn" else not call.reply


def claiming_calls(history: History) -> dict[str, list[Call]]:
    """By process, in the order in which they were made."""
    found: dict[str, list[Call]] = defaultdict(list)
    for call in sorted(history.calls, key=lambda call: call.invoked):
        if call.script in CLAIMING:
            found[call.process].append(call)
    return found


def ends_of(call: Call) -> Iterator[End]:
    if call.script == "turn":
        asked = call.asked["ends"]
        words = call.reply["words"] if call.outcome == OK else [_no_word(call)] * len(asked)
        for (job_id, token, ending), word in zip(asked, words):
            yield End(job_id, ending, word, token, call.invoked, call.completed)
    elif "job" in call.asked:
        word = call.reply if call.outcome == OK else _no_word(call)
        token = call.asked.get("token", "")
        yield End(call.asked["job"], _ASKED[call.script], word, token, call.invoked, call.completed)


def _no_word(call: Call) -> str:
    return "none" if call.outcome == FAILED else ""
