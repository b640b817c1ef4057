"""A child process: `python -m faciliter_jobs.supervisor.child`, started by the supervisor.

It runs one JobWorker, and has two threads beside it: one tells the supervisor that it lives, the
other notices that the supervisor doesn't (a pipe that only it holds open: also after kill -9).
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Literal

from ..errors import (
    AccessDeniedError,
    ConfigError,
    InvalidArgumentError,
    InvalidTypeError,
    QueueRefusedError,
    QueueUnavailableError,
    SchemaError,
)
from ..worker import JobWorker
from . import beat
from .target import make_name_unique, worker_of
from .traces import reason_of, traceback_of
from .undertaker import place_of

log = logging.getLogger("faciliter_jobs.supervisor")

_USAGE = (InvalidArgumentError, InvalidTypeError, ConfigError)
_WRONG_SERVER = (QueueRefusedError, AccessDeniedError, SchemaError)


class Line:
    """To the supervisor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def tell(self, news: beat.Beat) -> None:
        """Left out when the supervisor doesn't read (it is paused, say)."""
        with self._lock, contextlib.suppress(OSError):
            os.set_blocking(self._fd, False)
            os.write(self._fd, beat.encode(news))

    def fail(self, news: beat.Failure) -> None:
        left = beat.encode(news)
        with self._lock, contextlib.suppress(OSError):
            os.set_blocking(self._fd, True)
            while left:
                left = left[os.write(self._fd, left) :]


class Pulse(threading.Thread):
    """Beats, and holds off the last resort against a handler that holds the interpreter: a timer
    that needs no Python (faulthandler's) ends a child whose supervisor can't do it any more."""

    def __init__(self, line: Line, hang_timeout: float) -> None:
        super().__init__(name="pulse", daemon=True)
        self._line = line
        self._hang_timeout = hang_timeout
        self.worker: JobWorker | None = None
        self.stop = threading.Event()
        # The process executor forks: never while this thread is in the middle of something.
        lock = self._beating = threading.Lock()
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)

    def run(self) -> None:
        while True:
            with self._beating:
                if self._hang_timeout:
                    faulthandler.dump_traceback_later(self._hang_timeout + 2 * beat.GRACE, exit=True)
                news = _beat_of(self.worker)
                self._line.tell(news)
            if self.stop.wait(beat.EVERY if news.running and news.connected else beat.EVERY_AT_FIRST):
                faulthandler.cancel_dump_traceback_later()
                return


def _beat_of(worker: JobWorker | None) -> beat.Beat:
    if worker is None:
        return beat.Beat()
    health = worker.health()
    return beat.Beat(
        running=health.running,
        connected=health.connected,
        active=health.active,
        done=health.done,
        turned_ago=health.turned_ago if health.running else None,
        abandoned=health.abandoned_threads,
        shutdown_timeout=worker.shutdown_timeout,
        name=worker.name,
        queue=place_of(worker.job_queue),
    )


class Orphaned(threading.Thread):
    """Ends the child when its supervisor is gone: after its running jobs, but in bounded time."""

    def __init__(self, life: int, pulse: Pulse) -> None:
        super().__init__(name="orphaned", daemon=True)
        self._life = life
        self._pulse = pulse

    def run(self) -> None:
        while os.read(self._life, 1):
            continue  # nothing is ever written
        log.warning("the supervisor is gone: this worker stops, too")
        wait = threading.Event().wait
        os.kill(os.getpid(), signal.SIGTERM)
        wait(self._pulse.worker.shutdown_timeout if self._pulse.worker is not None else 0.0)
        os.kill(os.getpid(), signal.SIGTERM)
        wait(beat.GRACE)
        os._exit(beat.FAILED)


def main(arguments: Sequence[str] | None = None) -> int:
    told = _parse(arguments)
    faulthandler.enable()  # SIGABRT, by which a hung child is ended, shows where it hung
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s %(levelname)s [{told.slot}] %(message)s")
    line = Line(told.line)
    pulse = Pulse(line, told.hang_timeout)
    pulse.start()
    Orphaned(told.life, pulse).start()
    try:
        return _run(told.target, json.loads(told.options), line, pulse)
    finally:
        pulse.stop.set()


def _run(target: str, options: dict[str, object], line: Line, pulse: Pulse) -> int:
    kind: Literal["target", "worker"] = "target"
    try:
        worker = worker_of(target, options)
        make_name_unique(worker)
        pulse.worker = worker
        signal.signal(beat.RETIRE, lambda *_: worker.stop(deadline=False))
        kind = "worker"
        worker.start()
    except _WRONG_SERVER as error:
        line.fail(beat.Failure("server", str(error), usage=True))
        return beat.FAILED
    except QueueUnavailableError as error:
        line.fail(beat.Failure("server", str(error)))
        return beat.FAILED
    except _USAGE as error:
        line.fail(beat.Failure("target", str(error), usage=True))
        return beat.FAILED
    except BaseException as error:  # a module may do anything, sys.exit() too
        line.fail(beat.Failure(kind, reason_of(error), traceback_of(error)))
        return beat.FAILED
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faciliter_jobs.supervisor.child")
    parser.add_argument("target")
    parser.add_argument("--slot", required=True)
    parser.add_argument("--line", type=int, required=True, help="File descriptor to tell things on.")
    parser.add_argument("--life", type=int, required=True, help="One that ends with the supervisor.")
    parser.add_argument("--options", default="{}", help="JobWorker's, as JSON.")
    parser.add_argument("--hang-timeout", type=float, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
