"""The children: which one runs in each slot, and what is done when one dies, hangs or is due to be
replaced. Whoever owns the fleet calls `tick` several times a second."""

from __future__ import annotations

import logging
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import memory, words
from .backoff import TRIES, Backoff
from .beat import Failure
from .process import Child, Death, Spawner
from .settings import Settings
from .undertaker import Undertaker

log = logging.getLogger("faciliter_jobs.supervisor")

_LOOK_EVERY = 1.0  # seconds between two looks at memory
_SPREAD = 0.1  # of a limit, by which children differ, so that they aren't all due at once
_REST = 30.0  # seconds between a succession that failed and the next for a child past its limit
_PAUSED = 5.0  # seconds without a tick that mean that we were stopped, not the children


@dataclass(frozen=True, slots=True)
class Due:
    """To be replaced."""

    why: str
    patiently: bool  # nobody waits for its end: what it runs may take its time


@dataclass
class Slot:
    number: int
    child: Child | None = None
    successor: Child | None = None  # takes over once it is ready
    backoff: Backoff = field(default_factory=Backoff)
    start_at: float | None = None  # when to start a child again, or a successor
    failures: int = 0  # of children in a row that never came to serve jobs
    lost: int = 0  # successors in a row that died before they took over
    restarts: int = 0
    spread: float = field(default_factory=lambda: random.uniform(1 - _SPREAD, 1))


class Fleet:
    """`ended_by`: why it can't go on, once it has given up."""

    def __init__(self, settings: Settings, spawner: Spawner) -> None:
        self._settings = settings
        self._spawner = spawner
        self.slots = [Slot(number) for number in range(1, settings.processes + 1)]
        self._undertaker = Undertaker()
        self._leaving: list[Child] = []
        self._to_replace: dict[int, Due] = {}  # by slot number, in order
        self._rolled_at = 0.0  # when it was last asked to: a child of before has old code
        self._roll_out_is_over = True  # or was given up
        self._looked_at = self._ticked_at = time.monotonic()
        self._told: tuple[int, Failure] | None = None  # the last failure: slot number, what
        self.stopping = False
        self.ended_by: Failure | None = None

    # --- what it is asked for -----------------------------------------------------------------------

    def start(self) -> None:
        for slot in self.slots:
            slot.child = self._spawn(slot)

    def roll(self, why: str) -> None:
        """Replaces every child, one at a time, each once its successor serves jobs."""
        self._rolled_at, self._roll_out_is_over = time.monotonic(), False
        for slot in self.slots:
            self._retire(slot.successor)  # it may have loaded what was replaced since
            slot.successor = slot.start_at = None
            slot.backoff.deaths = slot.lost = 0
            if slot.child is not None:
                self._to_replace[slot.number] = Due(f"is replaced ({why})", False)
            else:
                slot.start_at = 0.0
        log.info("%s: replacing %s, one at a time", why, words.count(len(self.slots), "worker"))

    def restart(self) -> None:
        """Starts all anew at once; those of before finish what they run."""
        self._to_replace.clear()
        self._told = None
        for slot in self.slots:
            self._retire(slot.successor)
            self._retire(slot.child)
            slot.backoff.deaths = slot.failures = slot.lost = 0
            slot.start_at = None
            slot.successor, slot.child = None, self._spawn(slot)

    def stop(self) -> None:
        self.stopping = True
        self._to_replace.clear()
        for child in self._leaving:
            if child.patient:
                child.retire(self.shutdown_timeout_of(child))
        for slot in self.slots:
            self._retire(slot.successor)
            self._retire(slot.child)
            slot.child = slot.successor = slot.start_at = None

    def close(self) -> None:
        """Once it is empty."""
        self._undertaker.close(timeout=2.0)

    def hurry(self) -> None:
        self.stop()
        for child in self._leaving:
            child.hurry()

    # --- what it is -----------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        return next(self.children(), None) is None

    def children(self) -> Iterator[Child]:
        for slot in self.slots:
            if slot.child is not None:
                yield slot.child
            if slot.successor is not None:
                yield slot.successor
        yield from self._leaving

    @property
    def ready(self) -> int:
        """How many slots have a child that serves jobs."""
        return sum(
            any(child is not None and child.ready for child in (slot.child, slot.successor))
            for slot in self.slots
        )

    @property
    def old_code(self) -> int:
        """How many slots have a child from before the last roll-out."""
        return sum(slot.child is not None and slot.child.spawned_at < self._rolled_at for slot in self.slots)

    @property
    def roll_out(self) -> str:
        """What has become of the last one: "" when it is done."""
        return "" if not self.old_code else "given up" if self._roll_out_is_over else "going on"

    # --- as time goes by ------------------------------------------------------------------------------

    def tick(self) -> None:
        now = time.monotonic()
        paused = now - self._ticked_at > _PAUSED
        self._ticked_at = now
        for child in list(self.children()):
            child.listen()
            if paused:
                child.heard_at = now
            child.see_to_its_end()
            death = child.reap()
            if death is not None:
                self._buried(child, death)
        if self.stopping:
            return
        self._look_for_hanging()
        for slot in self.slots:
            if slot.start_at is not None and now >= slot.start_at:
                slot.start_at = None
                if slot.child is None:
                    slot.restarts += 1
                    slot.child = self._spawn(slot)
        if self._settings.recycles and now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            self._look_at_limits()
        self._go_on_replacing()

    def _look_for_hanging(self) -> None:
        if not self._settings.hang_timeout:
            return
        for child in self.children():
            if why := child.hung(self._settings.hang_timeout):
                log.error("worker %d (pid %d) hangs: it %s; it is killed", child.slot, child.pid, why)
                child.abort(why)

    def _look_at_limits(self) -> None:
        jobs, limit = self._settings.max_jobs_per_child, self._settings.memory_limit
        for slot in self.slots:
            child = slot.child
            if child is None or child.ready_at is None or slot.number in self._to_replace:
                continue
            if jobs is not None and child.beat.done >= jobs * slot.spread:
                self._to_replace[slot.number] = Due(f"has run {words.count(child.beat.done, 'job')}", True)
            elif limit is not None and (size := child.resident() or 0) > limit:
                self._to_replace[slot.number] = Due(f"has grown to {memory.in_words(size)}", True)

    def _spawn(self, slot: Slot) -> Child | None:
        try:
            return self._spawner.spawn(slot.number)
        except OSError as error:  # out of memory, processes or files
            delay = slot.backoff.delay_after(None)
            slot.start_at = time.monotonic() + delay
            log.error("worker %d can't be started: %s; tried again in %.1f s", slot.number, error, delay)
            return None

    # --- replacing --------------------------------------------------------------------------------------

    def _go_on_replacing(self) -> None:
        number = next(iter(self._to_replace), None)
        if number is None:
            return
        slot = self.slots[number - 1]
        if slot.child is None:  # it died meanwhile: a new one is on its way anyhow
            if slot.successor is not None:
                slot.child, slot.successor, slot.start_at = slot.successor, None, None
            slot.lost = 0
            del self._to_replace[number]
        elif slot.successor is None:
            if slot.start_at is not None:
                return  # the last one died: not yet
            why = self._to_replace[number].why
            log.info("worker %d (pid %d) %s: its successor starts", number, slot.child.pid, why)
            slot.successor = self._spawn(slot)
        elif slot.successor.ready:
            due = self._to_replace.pop(number)
            old, slot.child, slot.successor = slot.child, slot.successor, None
            slot.backoff.deaths = slot.failures = slot.lost = 0
            slot.spread = random.uniform(1 - _SPREAD, 1)
            self._retire(old, patiently=due.patiently)

    def _retire(self, child: Child | None, *, patiently: bool = False) -> None:
        if child is None:
            return
        if patiently:
            child.outlive()
        else:
            child.retire(self.shutdown_timeout_of(child))
        self._leaving.append(child)

    def shutdown_timeout_of(self, child: Child) -> float:
        """A worker that the module made may have its own."""
        own = child.beat.shutdown_timeout
        return self._settings.shutdown_timeout if own is None else own

    # --- deaths -----------------------------------------------------------------------------------------

    def _buried(self, child: Child, death: Death) -> None:
        slot = self.slots[child.slot - 1]
        if death.code != 0 and child.beat.name:
            self._undertaker.bury(child.beat.name, child.beat.queue, words.of_death(child, death))
        if child in self._leaving:
            self._leaving.remove(child)
            self._say_goodbye(child, death)
        elif child is slot.successor:
            slot.successor = None
            self._succession_failed(slot, child, death)
        else:
            slot.child = None
            self._died(slot, child, death)

    def _say_goodbye(self, child: Child, death: Death) -> None:
        done = words.count(child.beat.done, "job")
        # By our own signal: before it took them, or when it had done with them.
        if death.code in (0, -signal.SIGTERM):
            log.debug("worker %d (pid %d) has stopped, after %s", child.slot, child.pid, done)  # it said so
        else:
            log.warning("worker %d (pid %d) %s while it was to stop", child.slot, child.pid, death)

    def _succession_failed(self, slot: Slot, child: Child, death: Death) -> None:
        """The old one goes on, and another successor is tried: but code that can't be loaded is never
        rolled out."""
        slot.lost += 1
        unloadable = death.failure is not None and death.failure.kind == "target"
        if not unloadable and slot.lost < TRIES:
            delay = slot.backoff.delay_after(child.worked_for())
            slot.start_at = time.monotonic() + delay
            self._tell(slot, child, death, f"another is tried in {delay:.1f} s, the old one goes on")
            return
        self._tell(slot, child, death, "the workers of before go on")
        self._to_replace.clear()
        self._looked_at = time.monotonic() + _REST
        slot.lost = 0
        if not self._roll_out_is_over and (old := self.old_code):
            self._roll_out_is_over = True
            run = "runs" if old == 1 else "run"
            log.error("roll-out given up: %s %s the old code", words.count(old, "worker"), run)

    def _died(self, slot: Slot, child: Child, death: Death) -> None:
        failure = death.failure
        away = failure is not None and failure.kind == "server" and not failure.usage
        loaded = child.ready_at is not None or away
        slot.failures = 0 if loaded else slot.failures + 1
        if self._settings.reload and not loaded:
            self._tell(slot, child, death, "it is tried again after the next change")
            return
        if slot.failures >= TRIES and not self.ready:
            self._tell(slot, child, death, f"that was the case {TRIES} times in a row")
            self.ended_by = failure or Failure("target", f"its process {death}")
            return
        delay = slot.backoff.delay_after(child.worked_for())
        slot.start_at = time.monotonic() + delay
        self._tell(slot, child, death, f"a new one starts in {delay:.1f} s")

    def _tell(self, slot: Slot, child: Child, death: Death, then: str) -> None:
        """One line for each death (LESSONS 20), and the traceback of what is new."""
        failure = death.failure
        if failure is not None:
            told_for, told = self._told or (slot.number, None)
            if failure == told and told_for != slot.number:
                return  # the same of each child would only be noise
            failed = words.of_failure(failure, self._settings.target)
            log.error("worker %d (pid %d) %s; %s", slot.number, child.pid, failed, then)
            if failure.traceback and failure != told:
                log.error("%s", failure.traceback.rstrip())
            self._told = (slot.number, failure)
            return
        log.warning(
            "worker %d (pid %d) %s %s; %s",
            slot.number,
            child.pid,
            death,
            words.of_its_life(child, death),
            then,
        )
