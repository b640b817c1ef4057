"""The process that makes child processes.

A process with threads can't be forked safely, and a worker has threads. So before it starts any it
forks a nursery, which has one thread, does nothing but fork when it is asked to, and tells how each
child ended. When the worker is gone, it kills its children and ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from ..errors import JobQueueError
from . import frames

_REQUEST = struct.Struct("<cq")  # what, pid
_FORK, _KILL = b"F", b"K"
_REPORT = struct.Struct("<cqiq")  # what, pid, exit status as of waitpid, max RSS in bytes
_STARTED, _NOT_STARTED, _ENDED = b"S", b"N", b"E"  # of the second, errno in place of the pid

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_ANSWER_WITHIN = 30.0  # seconds


class Child:
    """A child process, as the worker sees it."""

    def __init__(self, pid: int, link: socket.socket) -> None:
        self.pid = pid
        self.link = link
        self._sending = threading.Lock()
        self.dead = threading.Event()
        self.status: int | None = None  # of waitpid; None: not known
        self.max_rss = 0  # bytes

    def send(self, message: list[Any]) -> None:
        """Raises OSError when it is gone."""
        with self._sending:
            frames.send(self.link, message)

    def how_it_ended(self) -> str:
        """`was killed by SIGKILL (max RSS 34 MB)`"""
        if self.status is None:
            return "has ended"
        code = os.waitstatus_to_exitcode(self.status)
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(-code).name} (max RSS {self.max_rss >> 20} MB)"
            return f"was killed by signal {-code} (max RSS {self.max_rss >> 20} MB)"
        return f"exited with code {code} (max RSS {self.max_rss >> 20} MB)"


class Nursery:
    """`child_main(link)` is what a child runs. `on_lost` is called when the nursery has died."""

    def __init__(self, child_main: Callable[[socket.socket], None], on_lost: Callable[[], None]) -> None:
        self._child_main = child_main
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._waiting: deque[_Birth] = deque()
        self._children: dict[int, Child] = {}
        self._closing = False
        self.lost = False

    def open(self) -> None:
        """Forks it. Before any thread is started."""
        self._link, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._link.close()
                _serve(theirs, self._child_main)
            finally:
                os._exit(1)
        theirs.close()
        self._reader = threading.Thread(target=self._read, name="nursery", daemon=True)

    def start(self) -> None:
        self._reader.start()

    def new_child(self) -> Child:
        """Raises JobQueueError when the system makes no process, or the nursery is gone."""
        ours, theirs = socket.socketpair()
        birth = _Birth(ours)
        try:
            with self._lock:
                if self.lost or self._closing:
                    raise JobQueueError("the process that makes child processes is gone")
                self._waiting.append(birth)
                socket.send_fds(self._link, [_REQUEST.pack(_FORK, 0)], [theirs.fileno()])
        except OSError as error:
            raise JobQueueError(f"the process that makes child processes is gone: {error}") from error
        finally:
            theirs.close()
        birth.done.wait(_ANSWER_WITHIN)
        if birth.child is None:
            ours.close()
            if birth.errno is not None:
                raise JobQueueError(f"can't make a child process: {os.strerror(birth.errno)}")
            raise JobQueueError("the process that makes child processes is gone or doesn't answer")
        return birth.child

    def kill(self, child: Child) -> None:
        """SIGKILL; only while it lives, so that no other process of its number is hit."""
        with self._lock, contextlib.suppress(OSError):
            if not self.lost:
                self._link.sendall(_REQUEST.pack(_KILL, child.pid))
            elif not child.dead.is_set():
                os.kill(child.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kills the children that are left."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        if self._reader.is_alive():
            self._reader.join(timeout=1)
        self._link.close()
        for child in list(self._children.values()):  # those that the nursery, killed, can't kill
            with contextlib.suppress(OSError):
                child.link.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        while (report := frames.receive_exactly(self._link, _REPORT.size)) is not None:
            what, pid, status, max_rss = _REPORT.unpack(report)
            with self._lock:
                if what == _STARTED:
                    birth = self._waiting.popleft()
                    birth.child = self._children[pid] = Child(pid, birth.link)
                    birth.done.set()
                elif what == _NOT_STARTED:
                    birth = self._waiting.popleft()
                    birth.errno = pid
                    birth.done.set()
                elif (child := self._children.pop(pid, None)) is not None:
                    child.status, child.max_rss = status, max_rss
                    self._mourn(child)
        with self._lock:
            self.lost = True
            for birth in self._waiting:
                birth.done.set()
        if not self._closing:
            self._on_lost()

    def _mourn(self, child: Child) -> None:
        child.dead.set()
        # A process that a handler has forked may hold the other end still: who reads must wake all the same.
        with contextlib.suppress(OSError):
            child.link.shutdown(socket.SHUT_RDWR)


class _Birth:
    """A child that was asked for."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.done = threading.Event()
        self.child: Child | None = None
        self.errno: int | None = None  # why there is none


# --- in the nursery -------------------------------------------------------------------------------------


def _serve(link: socket.socket, child_main: Callable[[socket.socket], None]) -> None:
    """Until the worker is gone. It ends when the worker does, not when a signal is sent to all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    poll = select.poll()
    poll.register(link.fileno(), select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    try:
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
            _reap(link, children)
            if link.fileno() in ready and not _answer(link, children, child_main, (wake_read, wake_write)):
                break
    except OSError:
        pass  # the worker has closed its end
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _reap(link: socket.socket, children: set[int]) -> None:
    while children:
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        link.sendall(_REPORT.pack(_ENDED, pid, status, usage.ru_maxrss * _RSS_UNIT))


def _answer(
    link: socket.socket,
    children: set[int],
    child_main: Callable[[socket.socket], None],
    pipe: tuple[int, int],
) -> bool:
    """Does what the worker asks for next; False when it is gone."""
    request, fds, _, _ = socket.recv_fds(link, _REQUEST.size, 1)
    if not request:
        return False
    what, pid = _REQUEST.unpack(request)
    if what == _KILL:
        if pid in children:
            os.kill(pid, signal.SIGKILL)
        return True
    try:
        pid = os.fork()
    except OSError as error:  # no memory, or too many processes: perhaps not for long
        os.close(fds[0])
        link.sendall(_REPORT.pack(_NOT_STARTED, error.errno or errno.EAGAIN, 0, 0))
        return True
    if pid == 0:
        _become_a_child(link, fds[0], child_main, pipe)
    os.close(fds[0])
    children.add(pid)
    link.sendall(_REPORT.pack(_STARTED, pid, 0, 0))
    return True


def _become_a_child(
    nursery_link: socket.socket, fd: int, child_main: Callable[[socket.socket], None], pipe: tuple[int, int]
) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nursery_link.close()
        for end in pipe:
            os.close(end)
        child_main(socket.socket(fileno=fd))
    finally:
        os._exit(1)
