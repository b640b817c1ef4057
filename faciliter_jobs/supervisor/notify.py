"""systemd's notifications (Type=notify): datagrams to the socket that NOTIFY_SOCKET names. Without
it, as everywhere but under systemd, they go nowhere."""

from __future__ import annotations

import contextlib
import os
import socket
import time

_STATUS_EVERY = 5.0  # seconds


class Notifier:
    def __init__(self) -> None:
        self._path = os.environ.pop("NOTIFY_SOCKET", "")  # not for the children
        if self._path.startswith("@"):
            self._path = "\0" + self._path[1:]
        pid, every = os.environ.pop("WATCHDOG_PID", ""), os.environ.pop("WATCHDOG_USEC", "")
        ours = every.isdigit() and pid in ("", str(os.getpid()))
        self._beat_every = int(every) / 1e6 / 3 if ours else None
        self._said: set[str] = set()
        self._beat_at = self._status_at = 0.0
        self._status = ""

    def ready(self) -> None:
        self._once("READY=1")

    def stopping(self) -> None:
        self._once("STOPPING=1")

    def alive(self) -> None:
        now = time.monotonic()
        if self._beat_every is not None and now - self._beat_at >= self._beat_every:
            self._beat_at = now
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        now = time.monotonic()
        if text != self._status and now - self._status_at >= _STATUS_EVERY:
            self._status, self._status_at = text, now
            self._send(f"STATUS={text}")

    def _once(self, word: str) -> None:
        if word not in self._said:
            self._said.add(word)
            self._send(word)

    def _send(self, message: str) -> None:
        if not self._path:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.connect(self._path)
            to.sendall(message.encode())
