"""A child process, as the supervisor holds it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from . import beat, memory
from .beat import GRACE
from .settings import Settings

_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss
_ABORT_GRACE = 2.0  # seconds that a hung child has to show where it hung


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended. Shown as "killed by SIGSEGV", "ended with exit code 7"."""

    code: int  # as subprocess has it: -11 for signal 11
    max_rss: int  # bytes
    failure: beat.Failure | None

    def __str__(self) -> str:
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        try:
            return f"was killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"was killed by signal {-self.code}"


class Spawner:
    """Starts children: fresh interpreters, so that nothing is forked with threads in it. Each in a
    session of its own, so that a terminal's Ctrl-C reaches the supervisor alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Its other end is never written to: that it ends tells children that the supervisor has.
        self._life, self._held = os.pipe()

    def spawn(self, slot: int) -> Child:
        s = self._settings
        line, write = os.pipe()
        command = [sys.executable, "-m", "faciliter_jobs.supervisor.child", s.target]
        command += ["--slot", str(slot), "--line", str(write), "--life", str(self._life)]
        command += ["--hang-timeout", f"{s.hang_timeout:g}"]
        command += ["--options", json.dumps(dict(s.worker))]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=(write, self._life), start_new_session=True
            )
        except BaseException:
            os.close(line)
            raise
        finally:
            os.close(write)
        return Child(slot, process, line)

    def close(self) -> None:
        """Children that still run will notice."""
        os.close(self._held)
        os.close(self._life)


class Child:
    def __init__(self, slot: int, process: subprocess.Popen[bytes], line: int) -> None:
        self.slot = slot
        self.pid = process.pid
        self.spawned_at = self.heard_at = time.monotonic()
        self.ready_at: float | None = None  # when it first served jobs
        self.beat = beat.Beat()
        self.failure: beat.Failure | None = None
        self.retiring = False  # told to end
        self.patient = False  # without a deadline
        self.aborted = ""  # why it was ended by force
        self._process = process
        self._line = line
        self._unread = b""
        self._steps: list[tuple[float, signal.Signals]] = []  # signals still to come, by time
        os.set_blocking(line, False)

    @property
    def ready(self) -> bool:
        """Serves jobs: its worker runs, has its server, and wasn't told to end."""
        return self.beat.running and self.beat.connected and not self.retiring

    @property
    def state(self) -> str:
        if self.aborted:
            return "dying"
        if self.retiring:
            return "draining"
        if not self.beat.running:
            return "starting"
        return "ready" if self.beat.connected else "disconnected"

    def worked_for(self) -> float | None:
        return None if self.ready_at is None else time.monotonic() - self.ready_at

    def listen(self) -> None:
        """Takes in what the child has told since."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._line, 65536):
                self._unread += data
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            news = beat.decode(line)
            if isinstance(news, beat.Failure):
                self.failure = news
                continue
            self.heard_at = time.monotonic()
            self.beat = news
            if self.ready_at is None and self.ready:
                self.ready_at = self.heard_at

    def hung(self, limit: float) -> str:
        """Why it is taken to hang, or "". A handler that runs long is no reason: see WorkerHealth."""
        if (self.retiring and not self.patient) or self.aborted:
            return ""
        silent = time.monotonic() - self.heard_at
        if silent > limit:
            return f"has given no sign of life for {silent:.0f} s"
        stands = self.beat.turned_ago
        if stands is not None and stands > limit:
            return f"has not turned its loop for {stands:.0f} s"
        return ""

    def resident(self) -> int | None:
        return memory.resident(self.pid)

    # --- its end ----------------------------------------------------------------------------------

    def outlive(self) -> None:
        """Ends it after its running jobs, however long they take: nobody waits for its end."""
        self.retiring = self.patient = True
        self._signal(beat.RETIRE)

    def retire(self, timeout: float) -> None:
        """Ends it after its running jobs; after `timeout` seconds it gives them back; a little later
        it is killed."""
        now = time.monotonic()
        self.retiring, self.patient = True, False
        self._steps = [(now + timeout + 1, signal.SIGTERM), (now + timeout + 1 + GRACE, signal.SIGKILL)]
        self._signal(signal.SIGTERM)

    def hurry(self) -> None:
        """It gives its running jobs back now."""
        if not self.retiring or self.patient:
            self.retire(0)  # its first signal; a second is needed to interrupt a handler
        now = time.monotonic()
        self._steps = [(now + 0.2, signal.SIGTERM), (now + GRACE, signal.SIGKILL)]

    def abort(self, why: str) -> None:
        """Ends it by force; it prints where it stood, when it still can."""
        self.aborted = why
        self._steps = [(time.monotonic() + _ABORT_GRACE, signal.SIGKILL)]
        self._signal(signal.SIGABRT)

    def see_to_its_end(self) -> None:
        """Sends the signals whose time has come."""
        while self._steps and time.monotonic() >= self._steps[0][0]:
            _, number = self._steps.pop(0)
            if number == signal.SIGKILL and not self.aborted:
                self.aborted = "did not stop in time"
            self._signal(number)

    def reap(self) -> Death | None:
        """Its death, once it has died."""
        try:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:  # someone else in this process has waited for it
            pid, status, max_rss = self.pid, 0, 0
        else:
            max_rss = usage.ru_maxrss * _MAXRSS_UNIT
        if not pid:
            return None
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        self.listen()
        os.close(self._line)
        if code != 0:
            # What it started (a pool's processes, say) has no one to work for any more.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return Death(code, max_rss, self.failure)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
