"""The faults, each a function of the stage and of its own random numbers, and their schedule."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from .crew import Crew
from .home import Home
from .recording import OFFSET_KEY, Recorder


class Controlled(Protocol):
    """The proxy, from outside its process."""

    def say(self, method: str, *args: Any) -> None: ...


@dataclass
class Scene:
    home: Home
    crew: Crew
    proxy: Controlled
    recorder: Recorder
    tag: str
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)  # ends of faults that last
    clock_offset_ms: int = 0
    submit_greedy: Callable[[str], None] = lambda name: None
    greedy_number: int = 0

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.later.append((time.monotonic() + seconds, action))
        self.later.sort(key=lambda entry: entry[0])

    def wait(self, seconds: float) -> None:
        """Meanwhile faults end whose time has come."""
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            while self.later and self.later[0][0] <= now:
                self.later.pop(0)[1]()
            if now >= until:
                return
            time.sleep(min(0.02, until - now))

    def end_all(self) -> None:
        while self.later:
            self.later.pop(0)[1]()


Fault = Callable[[Scene, random.Random], None]


def _victim(scene: Scene, draw: random.Random, start: str) -> str | None:
    alive = scene.crew.alive(start)
    return draw.choice(alive) if alive else None


def kill_worker(scene: Scene, draw: random.Random) -> None:
    if slot := _victim(scene, draw, "w"):
        scene.crew.signal(slot, signal.SIGKILL)


def pause_worker(scene: Scene, draw: random.Random) -> None:
    """Past its lease: it wakes and tries to commit."""
    if slot := _victim(scene, draw, "w"):
        pid = scene.crew.signal(slot, signal.SIGSTOP)
        scene.after(draw.uniform(2.5, 4), lambda: scene.crew.go_on(pid))


def kill_producer(scene: Scene, draw: random.Random) -> None:
    if slot := _victim(scene, draw, "p"):
        scene.crew.signal(slot, signal.SIGKILL)


def kill_server(scene: Scene, draw: random.Random) -> None:
    scene.home.kill()
    scene.wait(draw.uniform(0.02, 0.6))
    scene.home.start()


def flush_scripts(scene: Scene, draw: random.Random) -> None:
    client = scene.home.client()
    for _ in range(draw.randint(5, 15)):
        client.script_flush()
        scene.wait(0.02)


def kill_clients(scene: Scene, draw: random.Random) -> None:
    client = scene.home.client()
    for _ in range(draw.randint(3, 8)):
        client.client_kill_filter(_type="normal", skipme=True)
        scene.wait(0.03)


def drop_replies(scene: Scene, draw: random.Random) -> None:
    scene.proxy.say("drop_some", draw.uniform(0.02, 0.2), draw.randrange(1000))
    scene.after(draw.uniform(0.5, 1.5), lambda: scene.proxy.say("drop_some", 0.0))


def delay_replies(scene: Scene, draw: random.Random) -> None:
    scene.proxy.say("delay", draw.uniform(0.02, 0.4))
    scene.after(draw.uniform(0.5, 1.5), lambda: scene.proxy.say("delay", 0.0))


def half_open(scene: Scene, draw: random.Random) -> None:
    """Connections stand, and nothing comes through: for longer than the socket timeout, or not."""
    scene.proxy.say("hold")
    scene.after(draw.uniform(0.5, 3), lambda: scene.proxy.say("release"))


def full_memory(scene: Scene, draw: random.Random) -> None:
    scene.home.limit_memory()
    scene.wait(draw.uniform(0.3, 1))
    scene.home.free_memory()


def read_only(scene: Scene, draw: random.Random) -> None:
    scene.home.become_read_only()
    scene.wait(draw.uniform(0.2, 1))
    scene.home.become_master()


def fail_over(scene: Scene, draw: random.Random) -> None:
    scene.home.fail_over()


def jump_clock(scene: Scene, draw: random.Random) -> None:
    """Forward, now and then past every lease; or a little backward."""
    forward = draw.random() < 0.7
    scene.clock_offset_ms += draw.randint(500, 20_000) if forward else -draw.randint(100, 3_000)
    scene.home.client().set(scene.tag + OFFSET_KEY, scene.clock_offset_ms)


def full_disk(scene: Scene, draw: random.Random) -> None:
    scene.home.fill_disk()
    scene.wait(draw.uniform(1, 2))
    scene.home.make_room()


def slow_server(scene: Scene, draw: random.Random) -> None:
    scene.home.client().execute_command("DEBUG", "SLEEP", round(draw.uniform(0.2, 1.5), 2))


def starve_heartbeat(scene: Scene, draw: random.Random) -> None:
    scene.greedy_number += 1
    scene.submit_greedy(f"greedy-{scene.greedy_number}")


# name -> (fault, how often it comes in each round of the deck)
FAULTS: dict[str, tuple[Fault, int]] = {
    "kill_worker": (kill_worker, 4),
    "pause_worker": (pause_worker, 2),
    "kill_producer": (kill_producer, 3),
    "kill_server": (kill_server, 2),
    "scripts": (flush_scripts, 3),
    "clients": (kill_clients, 3),
    "drop": (drop_replies, 3),
    "delay": (delay_replies, 2),
    "half_open": (half_open, 2),
    "memory": (full_memory, 2),
    "read_only": (read_only, 2),
    "failover": (fail_over, 1),
    "clock": (jump_clock, 2),
    "disk": (full_disk, 1),
    "slow": (slow_server, 2),
    "gil": (starve_heartbeat, 1),
}


@dataclass(frozen=True)
class Planned:
    at: float  # seconds after the start, at the earliest
    kind: str
    seed: int


def schedule(seed: int, kinds: list[str], seconds: float, gap: float) -> Iterator[Planned]:
    """A function of its arguments: every kind comes round, in an order of its own each time."""
    draw = random.Random(seed)
    at = 0.5
    while True:
        deck = [kind for kind in kinds for _ in range(FAULTS[kind][1])]
        draw.shuffle(deck)
        for kind in deck:
            if at >= seconds:
                return
            yield Planned(round(at, 3), kind, draw.randrange(2**32))
            at += draw.uniform(0.5, 1.5) * gap
