"""One round of chaos: a server, producers and workers of its own, faults by a schedule, rest, and a
verdict on the history."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from faciliter_jobs import JobConfig, JobStatus, RedisJobQueue
from tests.support.proxy import Proxy

from . import checker, final
from .crew import Crew
from .faults import FAULTS, Scene, schedule
from .history import Final, History, read
from .home import Home
from .produce import produce, submit_greedy
from .recording import OFFSET_KEY, Recorder, recording_queue
from .work import work

_TOO_MANY_SURPRISES = 20  # processes that ended by themselves
_REST = 60.0  # seconds without any progress after which jobs count as stuck


@dataclass(frozen=True)
class Plan:
    seconds: float
    seed: int
    kinds: tuple[str, ...]
    binary: Path
    workers: int = 3
    producers: int = 2
    backlog: int = 4000
    gap: float = 0.5  # seconds between two faults, on average


@dataclass
class Verdict:
    jobs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    duplicates: int = 0  # runs that counted for nothing: their attempt had lost the job
    unknown: int = 0  # calls whose outcome their caller didn't learn
    refused: int = 0  # stale commits
    lost: int = 0
    stuck: int = 0
    double_commits: int = 0
    other: int = 0
    violations: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # kinds of faults that can't be had here
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.violations

    def add(self, another: Verdict) -> None:
        for name in ("jobs", "runs", "duplicates", "unknown", "refused", "lost", "stuck", "double_commits",
                     "other", "seconds"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(another, name))
        self.faults += another.faults
        self.violations += another.violations
        self.skipped |= another.skipped


_RULES = {
    "lost": "lost",
    "stuck": "stuck",
    "committed_twice": "double_commits",
    "attempt_ended_twice": "double_commits",
    "stale_accepted": "double_commits",
}


class ProxyProcess:
    """The proxy in a process of its own, so that its threads are nobody else's."""

    def __init__(self, crew: Crew, target: JobConfig) -> None:
        self._ours, theirs = socket.socketpair()
        crew.fill("x", lambda name: _serve_proxy(theirs, target))
        self._lines = self._ours.makefile("r")
        self.port = int(self._lines.readline())

    def say(self, method: str, *args: Any) -> None:
        self._ours.sendall(json.dumps([method, *args]).encode() + b"\n")
        self._lines.readline()


def _serve_proxy(control: socket.socket, target: JobConfig) -> None:
    with Proxy(target) as proxy:
        control.sendall(b"%d\n" % proxy.config.port)
        for line in control.makefile("r"):
            method, *args = json.loads(line)
            getattr(proxy, method)(*args)
            control.sendall(b"done\n")


class Round:
    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        directory.mkdir(parents=True)
        self._recorder = Recorder(directory, "harness")
        self._home = Home(directory, plan.binary)
        self._crew = Crew(directory)
        self._jumping = "clock" in plan.kinds
        self._verdict = Verdict()

    def run(self) -> Verdict:
        begun = time.monotonic()
        try:
            scene = self._set_up()
            self._attack(scene)
            stuck = self._come_to_rest(scene)
            self._crew.dismiss("w", _timer(60))
            self._judge(stuck)
        finally:
            self._crew.kill_all()
            self._home.close()
        self._verdict.seconds = time.monotonic() - begun
        return self._verdict

    # --- before -----------------------------------------------------------------------------------

    def _set_up(self) -> Scene:
        plan, home = self._plan, self._home
        proxy = ProxyProcess(self._crew, home.config)
        proxied = replace(home.config, unix_socket=None, host="127.0.0.1", port=proxy.port)
        with RedisJobQueue(home.config) as queue:
            tag = queue.tag
        home.client().set(tag + OFFSET_KEY, 0)

        def config_of(slot: int) -> JobConfig:
            return proxied if slot % 2 else home.config

        def worker(slot: int) -> Callable[[str], None]:
            return lambda name: work(config_of(slot), Recorder(self._directory, name), name, self._jumping)

        def producer(slot: int) -> Callable[[str], None]:
            return lambda name: produce(
                config_of(slot),
                Recorder(self._directory, name),
                name,
                f"{plan.seed}:{name}",
                jumping_clock=self._jumping,
                backlog=plan.backlog,
            )

        for slot in range(plan.workers):
            self._crew.fill(f"w{slot}", worker(slot))
        for slot in range(plan.producers):
            self._crew.fill(f"p{slot}", producer(slot))
        scene = Scene(home, self._crew, proxy, self._recorder, tag)
        scene.submit_greedy = lambda name: submit_greedy(home.config, self._recorder, name, self._jumping)
        return scene

    # --- the attack -------------------------------------------------------------------------------

    def _kinds(self) -> list[str]:
        kinds = list(self._plan.kinds)
        if "disk" in kinds and self._home.disk.why_not is not None:
            kinds.remove("disk")
            self._verdict.skipped["disk"] = self._home.disk.why_not
        return kinds

    def _attack(self, scene: Scene) -> None:
        plan = self._plan
        begun = time.monotonic()
        for planned in schedule(plan.seed, self._kinds(), plan.seconds, plan.gap):
            now = time.monotonic() - begun
            if now >= plan.seconds or len(self._crew.surprises) >= _TOO_MANY_SURPRISES:
                break
            scene.wait(max(0.0, planned.at - now))
            self._crew.refill()
            self._recorder.fault(planned.kind)
            self._verdict.faults[planned.kind] += 1
            FAULTS[planned.kind][0](scene, random.Random(planned.seed))
        scene.wait(max(0.0, begun + plan.seconds - time.monotonic()))
        scene.end_all()
        self._crew.refill()

    # --- after ------------------------------------------------------------------------------------

    def _come_to_rest(self, scene: Scene) -> bool:
        """Producers stop; workers have until nothing has moved for a while. Whether jobs are left."""
        scene.end_all()
        self._crew.dismiss("p", _timer(60))
        queue = RedisJobQueue(self._home.config)
        last, moved_at = None, time.monotonic()
        while len(self._crew.surprises) < _TOO_MANY_SURPRISES:
            self._crew.refill("w")
            counts = queue.stats(limit=1).counts
            if counts[JobStatus.PENDING] + counts[JobStatus.PROCESSING] == 0:
                return False
            if counts != last:
                last, moved_at = counts, time.monotonic()
            if time.monotonic() - moved_at > _REST:
                return True
            time.sleep(0.1)
        return True

    def _judge(self, stuck: bool) -> None:
        queue = recording_queue(self._home.direct_config(), self._recorder, jumping_clock=self._jumping)
        state = final.read_final(queue)
        final.save(state, self._directory)
        history = read(self._directory)
        verdict = self._verdict
        for violation in checker.check(history, state):
            name = _RULES.get(violation.rule, "other")
            setattr(verdict, name, getattr(verdict, name) + 1)
            verdict.violations.append(str(violation))
        for surprise in self._crew.surprises:
            verdict.other += 1
            verdict.violations.append(f"process: {surprise}")
        _count(verdict, history, state)


def _count(verdict: Verdict, history: History, state: Final) -> None:
    verdict.jobs = len(state.jobs)
    verdict.runs = len(history.runs)
    counted = set()
    for call in history.calls:
        verdict.unknown += call.outcome == "unknown"
        if call.script == "turn":
            for end in checker.ends_of(call):
                if end.word in ("completed", "failed", "retrying", "already"):
                    counted.add((end.job_id, end.token))
                verdict.refused += end.word == "stale"
        elif call.asked.get("token") and call.outcome == "ok":
            counted.add((call.asked["job"], call.asked["token"]))
    for job_id, job in state.jobs.items():
        if not job.by_other:
            counted.add((job_id, f"{job.seq}.{job.attempt}"))
    verdict.duplicates = sum((run.job_id, run.token) not in counted for run in history.runs)


def _timer(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until
