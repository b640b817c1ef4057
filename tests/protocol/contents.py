"""What the server holds of a queue, as one string of bytes: taken off it whole, put back whole, moved
in time, and looked at. Two states are the same when their strings are.

Time stands still at START_MS while a script runs. That time passes means that everything stored moves
into the past. What no script of the exploration tells apart is made equal, so that more states are the
same: how long ago something was, times that are never reached, texts for people.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgpack

from tests.support.clock import Clock

START_MS = Clock.START_MS
_TIMES = range(START_MS - 10**8, START_MS + 10**8)
_DEADLINES = ("leases", "parked", "workers", "scheduled")
_AGES = ("at", "updated_at")  # with due_at: what a record's ttl counts from
_FINISHED = ("completed", "failed", "cancelled")
_LIVE = ("pending", "processing")
_NEVER_MS = 1_800_000  # times as far ahead are never reached

# Every key of the queue: {name, type, its content as a flat list}, in one order; and away with them.
TAKE = """
local TEXTS = { last_error = true, error = true, traceback = true }
local found = {}
local names = redis.call('KEYS', KEYS[1] .. '*')
table.sort(names)
for _, key in ipairs(names) do
  local name, kind, flat = string.sub(key, #KEYS[1] + 1), redis.call('TYPE', key).ok, nil
  if kind == 'hash' then
    local fields, values = {}, redis.call('HGETALL', key)
    for i = 1, #values, 2 do
      fields[#fields + 1] = values[i]
      fields[values[i]] = values[i + 1]
    end
    table.sort(fields)
    flat = {}
    for i, field in ipairs(fields) do
      flat[2 * i - 1], flat[2 * i] = field, TEXTS[field] and 'text' or fields[field]
    end
  elseif kind == 'zset' then
    flat = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then
    flat = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then
    flat = redis.call('SMEMBERS', key)
    table.sort(flat)
  else
    flat = { redis.call('GET', key) }
  end
  if name ~= 'test-clock' then found[#found + 1] = { name, kind, flat } end
end
if #names > 0 then redis.call('DEL', unpack(names)) end
return cmsgpack.pack(found)
"""

# Puts ARGV[1], what TAKE returned, back; the scripts' clock shows ARGV[2].
PUT = """
redis.call('SET', KEYS[1] .. 'test-clock', ARGV[2])
for _, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local key, kind, flat = KEYS[1] .. entry[1], entry[2], entry[3]
  if kind == 'hash' then
    redis.call('HSET', key, unpack(flat))
  elseif kind == 'zset' then
    for i = 1, #flat, 2 do redis.call('ZADD', key, flat[i + 1], flat[i]) end
  elseif kind == 'list' then
    redis.call('RPUSH', key, unpack(flat))
  elseif kind == 'set' then
    redis.call('SADD', key, unpack(flat))
  else
    redis.call('SET', key, flat[1])
  end
end
"""

Entry = list[Any]  # name, type, flat content


def unpack(content: bytes) -> list[Entry]:
    found: list[Entry] = msgpack.unpackb(content, raw=False, unicode_errors="surrogateescape")
    return found


EMPTY: bytes = msgpack.packb([])


def pass_time(content: bytes, ms: int, ages: bool = False) -> bytes:
    """The same, so many milliseconds later. `ages`: how old records are is told apart."""
    later = [[name, kind, _later(name, kind, flat, ms, ages)] for name, kind, flat in unpack(content)]
    # The server drops a type's parked workers when the last of them is over.
    kept = [e for e in later if not (e[0].startswith("parked:") and _all_over(e[2]))]
    packed: bytes = msgpack.packb(kept, use_bin_type=False, unicode_errors="surrogateescape")
    return packed


def _later(name: str, kind: str, flat: list[str], ms: int, ages: bool) -> list[str]:
    if kind == "hash":
        pairs = zip(flat[::2], flat[1::2])
        return [part for field, value in pairs for part in (field, _of_field(field, value, ms, ages))]
    if kind != "zset":
        return flat
    exact = name.partition(":")[0] in _DEADLINES or (ages and name == "expiry")
    return [
        part if i % 2 == 0 else _moved(part, ms) if exact else _aged(part, ms) for i, part in enumerate(flat)
    ]


def _of_field(field: str, value: str, ms: int, ages: bool) -> str:
    # due_at stays the score that the job has in `scheduled`.
    return _moved(value, ms) if field == "due_at" or (ages and field in _AGES) else _aged(value, ms)


def _is_time(value: str) -> bool:
    return value.isdigit() and int(value) in _TIMES


def _moved(value: str, ms: int) -> str:
    if value.startswith("-"):  # parked for a type until
        return "-" + _moved(value[1:], ms)
    return str(int(value) - ms) if _is_time(value) and int(value) < START_MS + _NEVER_MS else value


def _aged(value: str, ms: int) -> str:
    """How long ago something was changes nothing that the exploration reaches; how soon it is, does."""
    return str(max(int(_moved(value, ms)), START_MS)) if _is_time(value) else value


def _all_over(flat: list[str]) -> bool:
    return all(-int(score) < START_MS for score in flat[1::2])


class JobView(NamedTuple):
    """What the checks of a step go by."""

    status: str
    seq: str
    attempt: int
    worker: str | None
    lease: int | None  # until, ms
    is_over: bool  # its ttl has passed
    retries: int  # attempts that failed or were lost
    returned: int  # attempts that were given back
    losses: int  # of the workers that ran it
    is_last: bool  # it must not be tried again
    record: int  # a hash of all of it

    def __str__(self) -> str:
        lease = "" if self.lease is None else f", leased for {self.lease - START_MS} ms"
        return f"{self.token} {self.status} by {self.worker}{lease}"

    @property
    def token(self) -> str:
        return f"{self.seq}.{self.attempt}"

    @property
    def is_live(self) -> bool:
        return self.status in _LIVE

    @property
    def is_leased(self) -> bool:
        return self.lease is not None and self.lease > START_MS


def _is_over(record: dict[str, str]) -> bool:
    since = int(record.get("updated_at", record["at"]))
    if record["status"] == "pending":
        since = max(since, int(record.get("due_at", since)))
    return record["status"] != "processing" and since + int(record["ttl"]) <= START_MS


class View(NamedTuple):
    jobs: dict[str, JobView]
    seq: int  # the last submission number
    inboxes: frozenset[str]  # workers with something in theirs
    parked: frozenset[str]  # workers to whom a job may be handed


class Parsed:
    """A content taken apart, for as long as it is looked at."""

    def __init__(self, content: bytes) -> None:
        self.entries = unpack(content)
        self.names = [name for name, _, _ in self.entries]
        self.seq = 0
        self.records: dict[str, dict[str, str]] = {}
        self.zsets: dict[str, dict[str, int]] = {}
        self.lists: dict[str, list[str]] = {}
        for name, kind, flat in self.entries:
            if name.startswith("job:"):
                self.records[name[4:]] = dict(zip(flat[::2], flat[1::2]))
            elif kind == "zset":
                self.zsets[name] = {m: int(float(s)) for m, s in zip(flat[::2], flat[1::2])}
            elif kind == "list":
                self.lists[name] = flat
            elif name == "seq":
                self.seq = int(flat[0])

    def view(self) -> View:
        leases = self.zsets.get("leases", {})
        jobs = {
            job_id: JobView(
                record["status"],
                record["seq"],
                int(record.get("attempt", 0)),
                record.get("worker"),
                leases.get(job_id),
                _is_over(record),
                int(record.get("retries", 0)),
                int(record.get("returned", 0)),
                int(record.get("losses", 0)),
                record.get("max_retries") == "0",
                hash(tuple(record.items())),
            )
            for job_id, record in self.records.items()
        }
        inboxes = frozenset(name[6:] for name in self.lists if name.startswith("inbox:"))
        types = [name.partition(":")[2] for name in self.zsets if name.startswith("parked:")]
        parked = frozenset(worker for job_type in types for worker in self._parked(job_type))
        return View(jobs, self.seq, inboxes, parked)

    def _parked(self, job_type: str) -> list[str]:
        until, for_type = self.zsets.get("parked", {}), self.zsets.get(f"parked:{job_type}", {})
        return [w for w, ms in until.items() if ms >= START_MS and -for_type.get(w, 0) >= START_MS]

    # --- the invariant, once more than the doctor's ------------------------------------------------

    def problems(self) -> list[str]:
        found = [text for job_id in self.records for text in self._misplaced(job_id)]
        found += self._without_record()
        waiting = [w for w, ms in self.zsets.get("parked", {}).items() if ms >= START_MS]
        found += [f"{w} waits with a job in its inbox" for w in waiting if f"inbox:{w}" in self.lists]
        lanes = [name for name in self.zsets if name.startswith("lane:")]
        for name in lanes:
            if parked := self._parked(name.split(":")[3]):
                found.append(f"a job waits in {name} while {parked[0]} is parked for it")
        rings = {name: z for name, z in self.zsets.items() if name.startswith("ring:")}
        if sum(len(companies) for companies in rings.values()) != len(lanes):
            found.append(f"lanes {lanes}, rings {rings}")
        return found

    def _places(self, job_id: str) -> list[str]:
        sets = [n for n, z in self.zsets.items() if n.startswith(("lane:", "scheduled")) and job_id in z]
        return sets + [name for name, ids in self.lists.items() for each in ids if each == job_id]

    def _misplaced(self, job_id: str) -> list[str]:
        record, places, found = self.records[job_id], self._places(job_id), []
        status, worker = record["status"], record.get("worker")
        leased = job_id in self.zsets.get("leases", {})
        ends = [name for name in _FINISHED if job_id in self.zsets.get(name, {})]
        if status in _LIVE:
            if len(places) != 1:
                found.append(f"{job_id} is {status} and in {places}")
            held = worker is not None and places[:1] in (
                [f"processing:{worker}"],
                [f"inbox:{worker}"] if status == "pending" else None,
            )
            if (status == "processing" or worker is not None) and not held:
                found.append(f"{job_id} is {status} by {worker} and in {places}")
            if leased != held:
                found.append(f"{job_id} in {places} has {'a' if leased else 'no'} lease")
        elif places or leased:
            found.append(f"{job_id} is {status} and still in {places}, leased: {leased}")
        if ends != ([] if status in _LIVE else [status]):
            found.append(f"{job_id} is {status} and stands in {ends}")
        return found

    def _without_record(self) -> list[str]:
        found = []
        for name, members in (*self.zsets.items(), *self.lists.items()):
            family = name.partition(":")[0]
            if family in ("lane", "index", "scheduled", "leases", "inbox", "processing", *_FINISHED):
                found += [f"{name} names {m}, which has no record" for m in members if m not in self.records]
        return found
