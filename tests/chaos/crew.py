"""Processes of the harness, forked from it: they start in milliseconds, have a name and a history of
their own each, and die with it."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Crew:
    """Slots, each filled by one process at a time: `w0-1` is the first process of slot `w0`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._roles: dict[str, Callable[[str], None]] = {}
        self._generation: dict[str, int] = {}
        self._pids: dict[str, int] = {}
        self._vacant: set[str] = set()
        self._expected: set[int] = set()  # processes that we have told to end
        self.surprises: list[str] = []  # processes that ended by themselves

    def fill(self, slot: str, role: Callable[[str], None]) -> None:
        """`role` gets the name, runs in a process of its own, and again in a new one when that has ended."""
        self._roles[slot] = role
        self._fork(slot)

    def alive(self, start: str) -> list[str]:
        return sorted(slot for slot in self._pids if slot.startswith(start))

    def signal(self, slot: str, number: int) -> int:
        """Returns the process's id. It counts as told to end, unless the signal only pauses it."""
        pid = self._pids[slot]
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            self._expected.add(pid)
        os.kill(pid, number)
        return pid

    def go_on(self, pid: int) -> None:
        if pid in self._pids.values():
            os.kill(pid, signal.SIGCONT)

    def refill(self, start: str = "") -> None:
        """Slots that begin so and whose process has ended get a new one."""
        self._reap()
        for slot in sorted(self._vacant):
            if slot.startswith(start):
                self._vacant.remove(slot)
                self._fork(slot)

    def dismiss(self, start: str, timeout_check: Callable[[], bool]) -> None:
        """SIGTERM to the slots that begin so; SIGKILL to those that are there when the check says so."""
        for slot in self.alive(start):
            self.signal(slot, signal.SIGTERM)
        while self.alive(start):
            self._reap()
            if timeout_check():
                for slot in self.alive(start):
                    self.surprises.append(f"{slot} did not end on SIGTERM")
                    self.signal(slot, signal.SIGKILL)
            time.sleep(0.02)
        self._vacant = {slot for slot in self._vacant if not slot.startswith(start)}

    def kill_all(self) -> None:
        for slot in self.alive(""):
            with contextlib.suppress(ProcessLookupError):
                self.signal(slot, signal.SIGKILL)
                os.waitpid(self._pids.pop(slot), 0)

    def _reap(self) -> None:
        for slot, pid in list(self._pids.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            del self._pids[slot]
            self._vacant.add(slot)
            if pid not in self._expected:
                name = f"{slot}-{self._generation[slot]}"
                self.surprises.append(f"{name} ended by itself: {os.waitstatus_to_exitcode(status)}")

    def _fork(self, slot: str) -> None:
        self._generation[slot] = self._generation.get(slot, 0) + 1
        name = f"{slot}-{self._generation[slot]}"
        # Python forgets a signal that reaches a child before it is through with forking.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            self._pids[slot] = pid
            return
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            with contextlib.suppress(AttributeError):  # Linux has it
                _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            log = os.open(self._directory / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
            self._roles[slot](name)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
