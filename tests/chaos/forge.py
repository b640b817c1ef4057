"""Writes histories by hand, for test_checker.py; forged.py has the bad ones."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos import checker
from tests.chaos.history import NEVER, Call, Final, FinalJob, History, Run, Sighting

WORKER, OTHER = "w0-1", "w1-1"


class Forge:
    """Writes a history, an event a second, and the state that it should have led to."""

    def __init__(self) -> None:
        self.history = History()
        self.final = Final()
        self.time = 0

    def _call(self, process, script, asked, reply, outcome="ok", at=None):
        self.time += 10
        begun, ended = at or (self.time, self.time + 5)
        self.time = max(self.time, ended)
        ended = NEVER if outcome == "unknown" else ended
        call = Call(process, script, begun, asked, ended, outcome, reply)
        self.history.calls.append(call)
        return call

    def submit(self, *ids, outcome="ok", company="c1", plain=1, at=None, process="p0-1"):
        for number, job_id in enumerate(ids, len(self.final.jobs) + 1):
            if outcome == "ok":
                self.final.jobs[job_id] = FinalJob("pending", number, 0, "noop", company, "", "", False)
        jobs = [(job_id, "noop", company, plain) for job_id in ids]
        return self._call(process, "submit", {"jobs": jobs}, len(ids), outcome, at)

    def claim(self, *ids, worker=WORKER, attempt=1, script="claim", outcome="ok", at=None):
        claims = [(job_id, f"{self.final.jobs[job_id].seq}.{attempt}") for job_id in ids]
        for job_id in ids:
            self._become(job_id, "processing", attempt=attempt)
        asked = {"park_ns": 10**9} if script == "park" else {}
        return self._call(worker, script, asked, claims, outcome, at)

    def run(self, job_id, attempt=1, worker=WORKER, how="ok"):
        self.time += 10
        token = f"{self.final.jobs[job_id].seq}.{attempt}"
        self.history.runs.append(Run(job_id, token, worker, self.time, self.time + 1, how))

    def end(
        self, job_id, word="completed", attempt=1, worker=WORKER, outcome="ok", asked="completed", at=None
    ):
        """By the attempt."""
        token = f"{self.final.jobs[job_id].seq}.{attempt}"
        if word in checker.TERMINAL:
            self._become(job_id, word, attempt=attempt)
        reply = {"words": [word], "claims": []}
        return self._call(worker, "turn", {"ends": [(job_id, token, asked)]}, reply, outcome, at)

    def from_outside(self, job_id, script, word, outcome="ok", at=None):
        if word in (*checker.TERMINAL, "pending"):
            self._become(job_id, word, by_other=True)
        return self._call("p0-1", script, {"job": job_id, "token": ""}, word, outcome, at)

    def see(self, job_id, status):
        self.time += 10
        self.history.sightings.append(Sighting(job_id, status, self.time, self.time + 1))

    def _become(self, job_id, status, **fields):
        self.final.jobs[job_id] = replace(self.final.jobs[job_id], status=status, **fields)

    def live_well(self, *ids):
        for job_id in ids:
            self.claim(job_id)
            self.run(job_id)
            self.end(job_id)

    def broken_rules(self):
        """Its counters and listings agree with its records, unless they were set."""
        if not self.final.counts:
            for job in self.final.jobs.values():
                self.final.counts[job.status] = self.final.counts.get(job.status, 0) + 1
        if not self.final.listings:
            done = [(j.seq, i) for i, j in self.final.jobs.items() if j.status == "completed"]
            self.final.listings = [({"status": "completed"}, [i for _, i in sorted(done, reverse=True)])]
        return {violation.rule for violation in checker.check(self.history, self.final)}
