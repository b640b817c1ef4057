"""The rules of order for checker.py: what the overlaps of calls, and hand-offs to workers that died,
leave open is not judged."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from .history import CLAIMING, NEVER, OK, Call, Claim, Final, History, Submit, claiming_calls, may_have_parked

__all__ = ["CLAIMING", "of_first_attempts", "of_submission"]

HANDOFF_LEASE = 2_000_000_000  # ns; lua/lib/parked.lua
_LATE = 10_000_000_000  # ns after which a call whose reply was lost has been carried out, or never will be


def of_submission(final: Final, submits_of_jobs: Iterable[Sequence[Submit]]) -> Iterator[tuple[str, str]]:
    sent: list[tuple[int, Submit]] = []
    for submits in submits_of_jobs:
        if len(submits) == 1 and submits[0].call.outcome == OK and submits[0].job_id in final.jobs:
            sent.append((final.jobs[submits[0].job_id].seq, submits[0]))
    sent.sort(key=lambda pair: pair[0])
    # From the last number back: the earliest completion of those numbered later.
    earliest, by = NEVER, ""
    following: Submit | None = None
    for _, submit in reversed(sent):
        if earliest < submit.call.invoked:
            yield (
                submit.job_id,
                f"numbered before {by}, whose submit had been acknowledged before its own began",
            )
        if following is not None and following.call is submit.call and following.position < submit.position:
            yield submit.job_id, f"numbered before {following.job_id}, which stands before it in one call"
        if submit.call.completed < earliest:
            earliest, by = submit.call.completed, submit.job_id
        following = submit


def of_first_attempts(
    history: History, jobs: Iterable[tuple[Sequence[Submit], Sequence[Claim]]]
) -> Iterator[tuple[str, str]]:
    """`jobs` are those that nothing but attempts has touched."""
    turns = _Turns(history)
    lanes: dict[tuple[str, str], list[tuple[int, Submit, Claim]]] = defaultdict(list)
    for submits, claims in jobs:
        first = min((c for c in claims if c.attempt == 1), key=lambda c: c.call.completed, default=None)
        if first is None or len(submits) != 1:
            continue
        submit = submits[0]
        if submit.plain and submit.call.outcome == OK:
            lanes[submit.job_type, submit.company].append((first.seq, submit, first))
    for lane, entries in lanes.items():
        entries.sort(key=lambda entry: entry[0])
        earliest, by = NEVER, ""
        for _, submit, claim in reversed(entries):
            if earliest < turns.may_have_claimed_since(claim.call) and not turns.may_have_been_handed(
                submit, claim
            ):
                yield submit.job_id, f"claimed after {by}, which stood behind it in the lane {lane}"
            if claim.call.completed < earliest:
                earliest, by = claim.call.completed, submit.job_id


class _Turns:
    """What each worker did when: which claims may stand for an earlier one whose reply was lost, and
    when it was parked, so that a job may have been handed to it."""

    def __init__(self, history: History) -> None:
        self._since: dict[int, int] = {}  # id of a call -> its earliest start
        # Times at which a worker was parked: from, to, its next call.
        self._parked: list[tuple[int, int, Call | None]] = []
        for calls in claiming_calls(history).values():
            self._follow(calls)
        self._parked.sort(key=lambda entry: entry[0])
        self._starts = [entry[0] for entry in self._parked]
        jumps = any(fault["fault"] == "clock" for fault in history.faults)
        self._handoff_lease = 0 if jumps else HANDOFF_LEASE  # by the server's clock
        self._longest = max((end - start for start, end, _ in self._parked), default=0)

    def _follow(self, calls: Sequence[Call]) -> None:
        unknown_since = NEVER
        for i, call in enumerate(calls):
            self._since[id(call)] = min(unknown_since, call.invoked)
            if call.outcome != OK:
                unknown_since = min(unknown_since, call.invoked)
            elif call.script in ("park", "adopt"):
                unknown_since = NEVER  # it has looked into its lists
            if may_have_parked(call):
                following = calls[i + 1] if i + 1 < len(calls) else None
                carried_out = call.completed if call.outcome == OK else call.invoked + _LATE
                until = carried_out + call.asked["park_ns"]
                if following is not None and following.outcome == OK:
                    until = min(until, following.completed)
                self._parked.append((call.invoked, until, following))

    def may_have_claimed_since(self, call: Call) -> int:
        return self._since[id(call)]

    def may_have_been_handed(self, submit: Submit, claim: Claim) -> bool:
        """To a worker that was parked when it was submitted, and that took it late, or never."""
        invoked, completed = submit.call.invoked, submit.call.completed
        position = bisect_right(self._starts, completed)
        while position > 0:
            position -= 1
            start, end, following = self._parked[position]
            if start < invoked - self._longest:
                return False
            if end < invoked:
                continue
            if (
                following is None
                or following is claim.call
                or following.outcome != OK
                or following.completed > invoked + self._handoff_lease
            ):
                return True
        return False
