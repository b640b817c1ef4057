"""The supervisor: one thread that takes signals, watches over the fleet, and reports."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from ..errors import InvalidArgumentError
from . import memory, words
from .fleet import Fleet
from .outside import Outside, Report
from .process import Child, Spawner
from .settings import Settings
from .watch import Watcher

log = logging.getLogger("faciliter_jobs.supervisor")

_TICK = 0.2  # seconds
_PATIENCE = 5.0  # seconds between two lines on what it waits for to stop
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


def supervise(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT: the first lets workers finish what they run, the second doesn't.
    SIGHUP replaces them one at a time; SIGUSR1 prints what they do. Returns an exit code.

    Raises InvalidArgumentError. Call it in the main thread.
    """
    if settings.memory_limit is not None and not memory.can_be_read():
        raise InvalidArgumentError("--max-memory-per-child: this system has no /proc to read it from")
    with Outside(settings) as outside, _Signals() as signals:
        return _Supervisor(settings, outside, signals).run()


class _Signals:
    """Signals as a list to be read, and a wait that they end. Their former handlers come back."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def __enter__(self) -> _Signals:
        self._former = {number: signal.signal(number, _received) for number in _SIGNALS}
        self._former_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._former_fd)
        for number, handler in self._former.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float) -> Iterator[int]:
        """What came within that time, at the first that comes."""
        select.select([self._read], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            yield from os.read(self._read, 1024)

    def wake(self) -> None:
        """From another thread."""
        with contextlib.suppress(OSError):
            os.write(self._write, b"\0")


def _received(number: int, frame: Any) -> None:
    """Python writes the number to the wake-up pipe, and there it is read."""


class _Supervisor:
    def __init__(self, settings: Settings, outside: Outside, signals: _Signals) -> None:
        self._settings = settings
        self._outside = outside
        self._signals = signals
        self._spawner = Spawner(settings)
        self._fleet = Fleet(settings, self._spawner)
        self._watcher = Watcher(signals.wake) if settings.reload else None
        self._at_terminal = sys.stdin is not None and sys.stdin.isatty()
        self._was_ready = False
        self._spoke_at = time.monotonic()

    def run(self) -> int:
        number = self._settings.processes
        log.info(
            "supervisor (pid %d): %s of %s", os.getpid(), words.count(number, "worker"), self._settings.target
        )
        if self._outside.health_address:
            log.info("health at %s/healthz", self._outside.health_address)
        if self._watcher is not None:
            self._watcher.start()
        try:
            self._fleet.start()
            while not (self._fleet.stopping and self._fleet.empty):
                self._turn()
        finally:
            self._end_by_force()
            if self._watcher is not None:
                self._watcher.stop()
            self._spawner.close()
            self._fleet.close()
        return self._farewell()

    def _turn(self) -> None:
        for number in self._signals.wait(_TICK):
            self._take(number)
        if self._watcher is not None and not self._fleet.stopping and (changed := self._watcher.changed()):
            log.info("%s changed: starting anew", changed)
            self._fleet.restart()
        self._fleet.tick()
        self._report()
        self._say_what_it_waits_for()
        if self._fleet.ended_by is not None and not self._fleet.stopping:
            self._fleet.stop()

    def _take(self, number: int) -> None:
        if number == signal.SIGUSR1:
            self._print_state()
        elif number == signal.SIGHUP:
            self._hang_up()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop(signal.Signals(number).name)

    def _stop(self, name: str) -> None:
        if self._fleet.stopping:
            log.warning("%s again: running jobs are given back now", name)
            self._fleet.hurry()
            return
        self._outside.stopping()
        timeouts = [self._fleet.shutdown_timeout_of(child) for child in self._fleet.children()]
        longest = max(timeouts, default=0.0)
        log.info("%s: stopping when running jobs have ended, in %g s at most (again: at once)", name, longest)
        self._fleet.stop()
        self._spoke_at = time.monotonic()

    def _say_what_it_waits_for(self) -> None:
        now = time.monotonic()
        if self._fleet.stopping and now - self._spoke_at >= _PATIENCE:
            self._spoke_at = now
            children = list(self._fleet.children())
            running = sum(child.beat.active for child in children)
            jobs, workers = words.count(running, "running job"), words.count(len(children), "worker")
            log.info("waiting for %s of %s", jobs, workers)

    def _hang_up(self) -> None:
        """It is also what comes, once or twice, when a terminal is closed."""
        if self._fleet.stopping:
            return
        if self._terminal_is_gone():
            self._stop("the terminal is gone")
        else:
            self._fleet.roll("SIGHUP")

    def _terminal_is_gone(self) -> bool:
        if not self._at_terminal:
            return False
        try:
            os.tcgetpgrp(sys.stdin.fileno())
        except (OSError, ValueError):
            return True
        return False

    def _report(self) -> None:
        fleet, wanted = self._fleet, self._settings.processes
        ready = fleet.ready
        is_ready = ready >= wanted and not fleet.stopping
        if is_ready and not self._was_ready:
            log.info("%s ready", "the worker is" if wanted == 1 else f"all {wanted} workers are")
        self._was_ready = is_ready
        why_not = (
            "" if is_ready else "stopping" if fleet.stopping else f"{ready} of {wanted} workers are ready"
        )
        details = {
            "processes": wanted,
            "stopping": fleet.stopping,
            "roll_out": fleet.roll_out,
            "old_code": fleet.old_code,
            "restarts": sum(slot.restarts for slot in fleet.slots),
            "workers": [_details(child) for child in fleet.children()],
        }
        done = sum(child.beat.done for child in fleet.children())
        status = f"{ready} of {wanted} workers ready, {words.count(done, 'job')} done by them"
        self._outside.tell(Report(True, is_ready, why_not, details), status)

    def _print_state(self) -> None:
        fleet = self._fleet
        log.info(
            "state: %d of %d ready%s", fleet.ready, len(fleet.slots), ", stopping" if fleet.stopping else ""
        )
        if fleet.roll_out:
            log.info("  roll-out %s: %d with the old code", fleet.roll_out, fleet.old_code)
        for child in sorted(fleet.children(), key=lambda child: child.slot):
            log.info("  %s", words.of_child(child))
        for slot in fleet.slots:
            if slot.child is None and slot.successor is None and not fleet.stopping:
                log.info("  worker %d waits to be started", slot.number)

    def _end_by_force(self) -> None:
        """After an error in here: children notice that we are gone, but nobody waits for them."""
        for child in self._fleet.children():
            child.hurry()

    def _farewell(self) -> int:
        failure = self._fleet.ended_by
        if failure is None:
            log.info("supervisor: all workers have stopped")
            return 0
        print(f"error: {words.of_failure(failure, self._settings.target)}", file=sys.stderr)
        return 2 if failure.usage else 1


def _details(child: Child) -> dict[str, Any]:
    worked = child.worked_for()
    return {
        "worker": child.slot,
        "pid": child.pid,
        "state": child.state,
        "seconds": None if worked is None else round(worked, 1),
        "done": child.beat.done,
        "active": child.beat.active,
        "turned_ago": child.beat.turned_ago,
        "abandoned_threads": child.beat.abandoned,
        "resident_bytes": child.resident(),
    }
