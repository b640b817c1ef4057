"""Faults to be found: the scripts with one line changed each, and within which bounds it shows."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from faciliter_jobs.scripts.compose import lua_folder
from tests.protocol.actors import Bounds, Left
from tests.protocol.calls import Terms

PLAIN = Bounds(Left())
FAILURE = Bounds(Left(failures=1))
LOSS = Bounds(Left(losses=1))
LAPSE = Bounds(Left(times=2), want=(1, 1))
CANCEL = Bounds(Left(losses=1), operator=("cancel",))
REVIVAL = Bounds(Left(), operator=("cancel", "retry"))
STOP = Bounds(Left(stops=1))
COMPANY = Bounds(Left(failures=1), terms=Terms(companies=("x", "x")))
COMPANY_STOP = Bounds(Left(stops=1), together=True, terms=Terms(companies=("x", "x")))
TTL = Bounds(Left(times=3), together=True, terms=Terms(ttl=15))


@dataclass(frozen=True)
class Mutant:
    fault: str
    file: str
    line: str  # a part of the file that stands there once
    changed: str
    bounds: Bounds
    found: str  # in what the exploration says of it

    def make(self, folder: Path) -> Path:
        """A copy of the scripts with the fault; raises ValueError when there is no such line any more."""
        lua = folder / "lua"
        shutil.copytree(lua_folder(), lua)
        path = lua / self.file
        text = path.read_text("utf-8")
        if text.count(self.line) != 1:
            raise ValueError(f"{self.fault}: lua/{self.file} has {self.line!r} {text.count(self.line)} times")
        path.write_text(text.replace(self.line, self.changed), "utf-8")
        return lua


MUTANTS = [
    # hand-off
    Mutant(
        "a handed-over job has no lease",
        "lib/handoff.lua",
        "  batch.zadd(keys.leases(), parked.handoff_deadline(), job.id)\n",
        "",
        PLAIN,
        "has no lease",
    ),
    Mutant(
        "a job that is submitted alone and handed over has no lease",
        "submit_one.lua",
        "    redis.call('ZADD', keys.leases(), parked.handoff_deadline(), id)\n",
        "",
        PLAIN,
        "has no lease",
    ),
    Mutant(
        "a handed-over job is leased for an hour",
        "lib/parked.lua",
        "HANDOFF_LEASE_MS = 2000",
        "HANDOFF_LEASE_MS = 3600000",
        PLAIN,
        "stuck",
    ),
    Mutant(
        "the worker that gets a job still counts as waiting",
        "lib/parked.lua",
        "redis.call('ZREM', keys.parked(), found[1]) == 1",
        "redis.call('ZSCORE', keys.parked(), found[1])",
        PLAIN,
        "waits with a job in its inbox",
    ),
    Mutant(
        "a job is handed to a worker that waited once",
        "lib/parked.lua",
        "if redis.call('ZREM', keys.parked(), found[1]) == 1 then return found[1] end",
        "redis.call('ZREM', keys.parked(), found[1])\n    do return found[1] end",
        STOP,
        "which was not parked",
    ),
    Mutant(
        "a job is handed to a worker whose time on the inbox is over",
        "lib/parked.lua",
        "if -found[2] < NOW then",
        "if false then",
        Bounds(Left(times=1)),
        "which was not parked",
    ),
    Mutant(
        "park registers the worker without a look for work",
        "park.lua",
        "local more_may_wait = #jobs == 0 and",
        "local more_may_wait = false and",
        PLAIN,
        "is parked for it",
    ),
    Mutant(
        "a turn registers the worker without a look for work",
        "turn.lua",
        "local more_may_wait = start.claim(",
        "local more_may_wait = false and start.claim(",
        PLAIN,
        "is parked for it",
    ),
    Mutant(
        "park registers the worker before it has emptied the inbox",
        "lib/hold.lua",
        "for _ = 1, redis.call('LLEN', inbox) do",
        "for _ = 1, 0 do",
        PLAIN,
        "told",
    ),
    Mutant(
        "the attempt of a hand-over has the number of the one before",
        "lib/handoff.lua",
        "record.next_attempt(job)",
        "tostring(job.attempt or 0)",
        STOP,
        "attempt 1 became 1",
    ),
    Mutant(
        "a hand-over that came to nothing isn't counted as given back",
        "lib/again.lua",
        "    finish.count_unbegun(job, 'last_op', finish.other(job, why or 'handed'))\n",
        "",
        STOP,
        "and the counts rose by 0",
    ),
    Mutant(
        "an attempt that was handed over and given back is told that its end was taken",
        "lib/again.lua",
        "finish.count_unbegun(job, 'last_op', finish.other(job, why or 'handed'))",
        "finish.count_unbegun(job)",
        LAPSE,
        "was told that it had ended the job, and it had not",
    ),
    Mutant(
        "a handed-over attempt gets another number when it begins",
        "lib/start.lua",
        "if not (handed and job.attempt) then",
        "if true then",
        PLAIN,
        "1.1 ended: True, and the counts rose by 0",
    ),
    Mutant(
        "adopt begins a running attempt anew",
        "lib/hold.lua",
        "if job.status == 'pending' then return start.attempt(job, flat, worker, deadline, true) end",
        "do return start.attempt(job, flat, worker, deadline, job.status == 'pending') end",
        LOSS,
        "which it did not name",
    ),
    # leases
    Mutant(
        "a claimed job has no lease",
        "lib/start.lua",
        "  batch.zadd(keys.leases(), deadline, job.id)\n",
        "",
        PLAIN,
        "has no lease",
    ),
    Mutant(
        "a claimed job stands in no list",
        "lib/start.lua",
        "if not handed then batch.rpush(keys.processing(worker), job.id) end",
        "",
        PLAIN,
        "in []",
    ),
    Mutant(
        "jobs are taken back before their lease has passed",
        "lib/recover.lua",
        "redis.call('ZRANGEBYSCORE', keys.leases(), '-inf', NOW,",
        "redis.call('ZRANGEBYSCORE', keys.leases(), '-inf', '+inf',",
        LAPSE,
        "whose lease had not passed",
    ),
    Mutant(
        "jobs are never taken back",
        "lib/recover.lua",
        "redis.call('ZRANGEBYSCORE', keys.leases(), '-inf', NOW,",
        "redis.call('ZRANGEBYSCORE', keys.leases(), '-inf', 0,",
        PLAIN,
        "stuck",
    ),
    Mutant(
        "jobs that are lost are not looked for in passing",
        "lib/tend.lua",
        "if is_due(keys.leases()) or is_due(keys.workers()) then",
        "if false then",
        PLAIN,
        "stuck",
    ),
    Mutant(
        "nor jobs that are due",
        "lib/tend.lua",
        "if is_due(keys.scheduled()) then",
        "if false then",
        FAILURE,
        "stuck",
    ),
    Mutant(
        "a handed-over job that nobody picked up counts as a lost attempt",
        "lib/recover.lua",
        "if job.status == 'processing' then",
        "if job.status then",
        LAPSE,
        "the counts rose by 2",
    ),
    Mutant(
        "a lost attempt isn't counted",
        "lib/recover.lua",
        "'retries', retries + 1,",
        "'retries', retries,",
        LAPSE,
        "counts rose by 0",
    ),
    Mutant(
        "a job that loses its workers is tried for ever",
        "lib/recover.lua",
        "if retries < max_retries then",
        "if retries < max_retries + 1 then",
        Bounds(Left(times=1), want=(1, 1), terms=Terms(own_max_retries=0, step_ms=11_000)),
        "0 were allowed",
    ),
    Mutant(
        "a heartbeat renews whatever the worker names",
        "heartbeat.lua",
        "if job and job.status == 'processing' and record.token(job) == token then",
        "if job then",
        LAPSE,
        "lease",
    ),
    Mutant(
        "a heartbeat renews nothing",
        "heartbeat.lua",
        "batch.flush()",
        "",
        Bounds(Left(times=1)),
        "renewed its lease",
    ),
    # fencing
    Mutant(
        "a stale attempt may report",
        "lib/finish.lua",
        "    if record.token(job) ~= token then return 'stale' end\n",
        "",
        LAPSE,
        "taken from",
    ),
    Mutant(
        "a late attempt is told that it was the one",
        "lib/finish.lua",
        "return ended_by_other(job) and 'stale' or 'already'",
        "return 'already'",
        Bounds(Left(), operator=("cancel",)),
        "it had not",
    ),
    Mutant(
        "a report that is sent again is refused",
        "lib/finish.lua",
        "return ended_by_other(job) and 'stale' or 'already'",
        "return 'stale'",
        LOSS,
        "came too late",
    ),
    Mutant(
        "an attempt has its predecessor's number",
        "lib/start.lua",
        "record.next_attempt(job) end",
        "job.attempt or '1' end",
        FAILURE,
        "stuck: a healthy worker left a processing",
    ),
    Mutant(
        "release gives back whatever the worker holds of that name",
        "release.lua",
        "if job and job.status == 'processing' and job.worker == worker\n"
        "    and record.token(job) == ARGV[first + 1] then",
        "if job and job.status == 'processing' and job.worker == worker then",
        Bounds(Left(releases=2, losses=1), together=True),
        "which it did not name",
    ),
    Mutant(
        "a call from outside isn't recognised when it is sent again",
        "lib/finish.lua",
        "  if was_done_by(job, op) then return 'already' end\n",
        "",
        CANCEL,
        "was told that another had",
    ),
    Mutant(
        "a stale attempt may say how far it is",
        "progress.lua",
        "if job.status ~= 'processing' or record.token(job) ~= token then",
        "if job.status ~= 'processing' then",
        Bounds(Left(times=2), want=(1, 1), inside=("progress",)),
        "said updated",
    ),
    # places
    Mutant(
        "an ended job stays in the inbox that it was handed to",
        "lib/place.lua",
        "redis.call('LREM', keys.inbox(job.worker), '1', job.id)",
        "local _",
        Bounds(Left(), operator=("cancel",)),
        "still in ['inbox:",
    ),
    Mutant(
        "an ended job stays scheduled",
        "lib/place.lua",
        "elseif redis.call('ZREM', keys.scheduled(), job.id) == 0 then",
        "else",
        Bounds(Left(failures=1), operator=("cancel",)),
        "still in ['scheduled",
    ),
    Mutant(
        "a turn drops what it took off the list and did not end",
        "turn.lua",
        "  place.put_back(worker)\n",
        "",
        Bounds(Left(times=2), together=True),
        "in []",
    ),
    Mutant(
        "a due job stays scheduled",
        "lib/promote.lua",
        "    redis.call('ZREM', keys.scheduled(), id)\n",
        "",
        FAILURE,
        "scheduled",
    ),
    Mutant(
        "a job that failed keeps its worker's name",
        "lib/again.lua",
        "local function requeue(job, delay_ms, ...)\n  redis.call('HDEL', job.key, 'worker')",
        "local function requeue(job, delay_ms, ...)\n  redis.call('EXISTS', job.key)",
        FAILURE,
        "attempt 1 became 1",
    ),
    Mutant(
        "a worker that leaves is still handed jobs",
        "leave.lua",
        "hold.unpark(worker)\n",
        "",
        STOP,
        "left, and holds",
    ),
    Mutant(
        "a worker that leaves forgets its inbox",
        "leave.lua",
        "empty(keys.inbox(worker))\n",
        "",
        STOP,
        "left, and holds",
    ),
    Mutant(
        "a revived job stays among the dead",
        "retry.lua",
        "redis.call('ZREM', keys.finished(job.status), job_id)\n",
        "",
        REVIVAL,
        "stands in",
    ),
    # retries, ttl, submit
    Mutant(
        "failures don't use up retries",
        "lib/again.lua",
        "if max_retries >= 0 and retries < (tonumber(job.max_retries) or max_retries) then",
        "if max_retries >= 0 then",
        Bounds(Left(failures=1), terms=Terms(own_max_retries=0)),
        "0 were allowed",
    ),
    Mutant(
        "jobs expire as soon as somebody looks",
        "lib/cleanup.lua",
        "if expires_at > NOW then return math.min(expires_at, NOW + job.ttl) end\n",
        "",
        TTL,
        "CANCELLED",
    ),
    Mutant(
        "a running job is purged when its ttl passes",
        "lib/cleanup.lua",
        "if job.status == 'processing' then return NOW + job.ttl end\n",
        "",
        TTL,
        "moved it from",
    ),
    Mutant(
        "a submit that is sent again begins anew",
        "submit_one.lua",
        "if is_either and redis.call('EXISTS', key) == 1 then return 0 end",
        "",
        LOSS,
        "submit_one",
    ),
    Mutant(
        "so does one of many",
        "submit.lua",
        "if not any_exists(names) then return new end",
        "do return new end",
        Bounds(Left(losses=1), together=True),
        "submit",
    ),
    Mutant(
        "the ttl of a job that waits for a retry doesn't wait",
        "lib/record.lua",
        "if job.status == 'pending' and job.due_at then",
        "if false then",
        Bounds(Left(times=2, failures=1), together=True, terms=Terms(ttl=15, step_ms=8_000)),
        "before its ttl had passed",
    ),
    # indexes, and who runs what
    Mutant(
        "a job that runs is listed as waiting",
        "lib/start.lua",
        "  index.set(job, 'processing')\n",
        "",
        PLAIN,
        "stands wrongly in",
    ),
    Mutant(
        "a job that came back to its lane is listed for its company twice",
        "lib/handoff.lua",
        "if job.co and not is_new then",
        "if false then",
        COMPANY_STOP,
        "is listed by its lane, and by",
    ),
    Mutant(
        "a job that comes back to an idle worker is not listed for its company",
        "lib/handoff.lua",
        "in_lane = offer(job, is_new)",
        "in_lane = offer(job, is_new) or not is_new",
        COMPANY,
        "stands wrongly in",
    ),
    Mutant(
        "a new job that is handed over is not listed for its company",
        "lib/handoff.lua",
        "in_lane = offer(job, is_new)",
        "in_lane = offer(job, is_new) or is_new",
        COMPANY_STOP,
        "stands wrongly in",
    ),
    Mutant(
        "one new job that is handed over is not listed for its company",
        "submit_one.lua",
        "    redis.call('RPUSH', keys.inbox(worker), id)\n    if company ~= '' then",
        "    redis.call('RPUSH', keys.inbox(worker), id)\n    if false then",
        COMPANY,
        "stands wrongly in",
    ),
    Mutant(
        "a job that may have killed a worker is claimed with others",
        "lib/start.lua",
        "local alone = runs_alone(",
        "local alone = false and runs_alone(",
        Bounds(Left(times=2), together=True),
        "to be claimed alone",
    ),
]
