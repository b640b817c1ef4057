"""Writes down what a process does, in the lines that history.py reads."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import msgpack

from faciliter_jobs import AsyncJobQueue, Job, JobConfig, RedisJobQueue
from faciliter_jobs.aio_transport import AsyncTransport
from faciliter_jobs.errors import QueueFullError
from faciliter_jobs.scripts import Call
from faciliter_jobs.scripts.compose import compose, lua_folder
from faciliter_jobs.transport import Pending, ScriptTable, Transport

R = TypeVar("R")
now = time.monotonic_ns

# The scripts' clock with an offset in ms that the harness sets; as many lines as lua/lib/clock.lua.
OFFSET_KEY = "chaos-clock"
_JUMPING_CLOCK = f"""

local clock_reading, clock_offset = redis.call('TIME'), redis.call('GET', KEYS[1] .. '{OFFSET_KEY}') or 0
local NOW = clock_reading[1] * 1000 + math.floor(clock_reading[2] / 1000) + clock_offset
local STAMP = string.format('%.0f', NOW)
"""


class Recorder:
    """One line is one write, so that what was written before a kill -9 stays written."""

    def __init__(self, directory: Path, process: str) -> None:
        self._file = os.open(directory / f"{process}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._numbers = itertools.count(1)  # one step even between threads
        os.register_at_fork(after_in_child=self._number_anew)  # a child writes into the same file

    def _number_anew(self) -> None:
        self._numbers = itertools.count(os.getpid() * 10**9)

    def write(self, **line: Any) -> None:
        text = json.dumps(line, separators=(",", ":"), default=bytes.decode)
        os.write(self._file, text.encode() + b"\n")

    def invoked(self, script: str, asked: dict[str, Any]) -> int:
        number = next(self._numbers)
        self.write(do=script, n=number, t=now(), **asked)
        return number

    def ok(self, number: int, reply: Any) -> None:
        self.write(done=number, t=now(), ok=reply)

    def not_ok(self, number: int, error: BaseException) -> None:
        """A call that surely did nothing, or one that may have."""
        outcome = "failed" if isinstance(error, QueueFullError) else "unknown"
        self.write(**{"done": number, "t": now(), outcome: f"{type(error).__name__}: {error}"[:300]})

    def begun(self, token: str, job_id: str) -> None:
        os.write(self._file, b'{"ran":"%s","job":"%s","t":%d}\n' % (token.encode(), job_id.encode(), now()))

    def ran(self, token: str, job_id: str, begun: int, how: str = "ok") -> None:
        line = f'{{"ran":"{token}","job":"{job_id}","t":{begun},"end":{now()},"how":"{how}"}}\n'
        os.write(self._file, line.encode())

    def look(self, queue: RedisJobQueue, job_id: str) -> Job | None:
        """`get_job`, noted down."""
        invoked = now()
        job = queue.get_job(job_id)
        self.write(saw=job_id, status=job.status.value if job else "missing", t=invoked, end=now())
        return job

    def fault(self, kind: str, **details: Any) -> None:
        self.write(fault=kind, t=now(), **details)


class _Recording(ScriptTable):
    """A transport, with every call that moves a job written down before it is sent and after."""

    recorder: Recorder
    jumping_clock: bool

    def _text_of(self, script: str) -> str:
        return _with_jumping_clock(script) if self.jumping_clock else super()._text_of(script)


@cache
def _with_jumping_clock(script: str) -> str:
    return compose(script, swapped={"clock": _JUMPING_CLOCK}).text


@contextlib.contextmanager
def _written_down(recorder: Recorder, call: Call[R]) -> Iterator[Callable[[R], None]]:
    """What it yields is told the result."""
    if call.script not in _NOTES:
        yield lambda result: None
        return
    ask, told = _NOTES[call.script]
    number = recorder.invoked(call.script, ask(call.args))
    try:
        yield lambda result: recorder.ok(number, told(result))
    except BaseException as error:
        recorder.not_ok(number, error)
        raise


class RecordingTransport(_Recording, Transport):
    def run(self, call: Call[R]) -> R:
        with _written_down(self.recorder, call) as answered:
            result = super().run(call)
            answered(result)
        return result

    def prepare(self, call: Call[R]) -> Pending[R]:
        return _RecordedPending(self, call)


class RecordingAsyncTransport(_Recording, AsyncTransport):
    async def run(self, call: Call[R]) -> R:
        with _written_down(self.recorder, call) as answered:
            result = await super().run(call)
            answered(result)
        return result


class _RecordedPending(Pending[R]):
    def __init__(self, transport: RecordingTransport, call: Call[R]) -> None:
        super().__init__(transport, call)
        self._recorder = transport.recorder
        self._ask, self._told = _NOTES[call.script]

    def send(self) -> None:
        self._number = self._recorder.invoked(self._call.script, self._ask(self._call.args))
        try:
            super().send()
        except BaseException as error:
            self._recorder.not_ok(self._number, error)
            raise

    def wait(self) -> None:
        try:
            super().wait()
        except BaseException as error:
            self._recorder.not_ok(self._number, error)
            raise
        self._recorder.ok(self._number, self._told(super().result()))


Q = TypeVar("Q", RedisJobQueue, AsyncJobQueue)


def recording_queue(
    config: JobConfig, recorder: Recorder, *, jumping_clock: bool = False, kind: type[Q] = RedisJobQueue
) -> Q:
    queue = kind(config)
    transport = RecordingTransport(config) if kind is RedisJobQueue else RecordingAsyncTransport(config)
    transport.recorder, transport.jumping_clock = recorder, jumping_clock
    queue.transport = transport
    return queue


# --- what is asked, and what is told --------------------------------------------------------------


@cache
def _names(script: str, line: str) -> list[str]:
    """The names in a line of the script's header: which argument stands where."""
    text = (lua_folder() / f"{script}.lua").read_text()
    found = re.search(rf"^-- {line} +(.+)$", text, re.MULTILINE)
    assert found is not None, f"{script}.lua has no {line} in its header"
    return found[1].split(", ")


@cache
def _place(script: str, name: str) -> int:
    return _names(script, "ARGV").index(name)


def _jobs(args: Any) -> dict[str, Any]:
    fields = len(_names("submit", "each"))
    jobs = []
    for first in range(0, len(args), fields):
        job_id, job_type, company, *_, more = args[first : first + fields]
        plain = not more or not {"delay_ms", "run_at_ms"} & msgpack.unpackb(more).keys()
        jobs.append((job_id, job_type, company, int(plain)))
    return {"jobs": jobs}


def _outcomes(args: Any) -> dict[str, Any]:
    count = _place("turn", "types_count")
    first, fields = count + 1 + int(args[count]), len(_names("turn", "each"))
    ends = [tuple(args[i : i + 3]) for i in range(first, len(args), fields)]
    return {"want": args[_place("turn", "want")], "ends": ends, **_parking("turn", args)}


def _parking(script: str, args: Any) -> dict[str, Any]:
    return {"park_ns": args[_place(script, "park_ms")] * 1_000_000}


def _of_a_job(script: str) -> Callable[[Any], dict[str, Any]]:
    """complete, fail, cancel, retry."""
    names = _names(script, "ARGV")
    job_id, token = names.index("job_id"), names.index("token") if "token" in names else None
    return lambda args: {"job": args[job_id], "token": "" if token is None else args[token]}


def _claims(claimed: Any) -> list[tuple[str, str]]:
    return [(c.job_id, c.token) for c in claimed]


def _word(ending: Any) -> str:
    return str(ending.value)


Note = tuple[Callable[[Any], dict[str, Any]], Callable[[Any], Any]]

_NOTES: dict[str, Note] = {
    "submit": (_jobs, int),
    "submit_one": (_jobs, int),
    "claim": (lambda args: {}, _claims),
    "park": (partial(_parking, "park"), lambda parked: _claims(parked.jobs)),
    "adopt": (lambda args: {}, _claims),
    "turn": (
        _outcomes,
        lambda turned: {
            "words": [_word(e) for e in turned.endings],
            "claims": _claims(turned.jobs),
            "parked": turned.parked is not None,
        },
    ),
    **{script: (_of_a_job(script), _word) for script in ("complete", "fail", "cancel", "retry")},
}
