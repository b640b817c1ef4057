"""What a child process of a worker does: one job after the other, until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from queue import SimpleQueue
from typing import Any, NoReturn

from ..context import Attempt
from ..record import Claimed
from . import event_loop, frames
from .executor import Executor, GiveUp
from .hooks import Hooks

log = logging.getLogger("faciliter_jobs.worker")

# Messages. To the child:
JOB = "job"  # job_id, token, fields
TELL = "tell"  # token, reason: that attempt isn't wanted any more
STOP = "stop"  # token, reason: end it, and yourself
QUIT = "quit"  # when the job that runs has ended
# From the child:
READY = "ready"
BEGUN = "begun"  # it has taken the job
BROKEN = "broken"  # error: it can't start
ENDED = "ended"  # the fields of the outcome, or None


class ChildLife:
    """Its main thread runs handlers; another one listens to the worker."""

    def __init__(self, link: socket.socket, executor: Executor, hooks: Hooks) -> None:
        self._link = link
        self._executor = executor
        self._hooks = hooks
        self._jobs: SimpleQueue[tuple[Claimed, Attempt] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._attempt: Attempt | None = None  # that runs, or is about to
        self._stopping = False

    def live(self) -> NoReturn:
        # Ctrl-C, or a SIGTERM to all processes of the service, is the worker's affair: it lets jobs end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        try:
            self._hooks.started(event_loop.run)
        except BaseException as error:
            log.exception("a child process can't start")
            self._send([BROKEN, f"{type(error).__name__}: {error}"])
            _leave(1)
        self._send([READY])
        try:
            while (work := self._jobs.get()) is not None:
                self._perform(*work)
        except GiveUp:
            _leave(0)
        self._hooks.ended(event_loop.run)
        _leave(0)

    def _perform(self, claimed: Claimed, attempt: Attempt) -> None:
        self._send([BEGUN])
        outcome = self._executor.perform(claimed, attempt)
        with self._lock:
            self._attempt = None
            stopping = self._stopping
        if stopping:  # its handler has caught GiveUp
            _leave(0)
        _flush()
        self._send([ENDED, None if outcome is None else outcome.args()])

    def _send(self, message: list[Any]) -> None:
        try:
            frames.send(self._link, message)
        except OSError:
            _leave(1)  # the worker is gone

    def _listen(self) -> None:
        while (message := frames.receive(self._link)) is not None:
            what, *arguments = message
            if what == JOB:
                job_id, token, fields = arguments
                claimed = Claimed(job_id, token, fields)
                attempt = self._executor.new_attempt(claimed)
                with self._lock:
                    self._attempt = attempt
                self._jobs.put((claimed, attempt))
            elif what == QUIT:
                self._jobs.put(None)
            else:
                self._interrupt(*arguments, stop=what == STOP)
        os._exit(1)  # the worker is gone, and with it the lease of what runs here

    def _interrupt(self, token: str, reason: str, *, stop: bool) -> None:
        with self._lock:
            attempt = self._attempt
            if attempt is None or attempt.token != token:
                return
            attempt.cancelled.tell(reason)
            self._stopping = self._stopping or stop
        if stop:
            os.kill(os.getpid(), signal.SIGTERM)

    def _on_sigterm(self, _number: int, _frame: Any) -> None:
        if not self._stopping:
            return
        attempt = self._attempt
        if attempt is None or not attempt.in_handler:
            _leave(0)
        raise GiveUp


def _flush() -> None:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()


def _leave(code: int) -> NoReturn:
    _flush()
    os._exit(code)
