"""A proxy between a client and the server, to lose and delay what goes through it."""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import struct
import threading
import time
from dataclasses import replace

from faciliter_jobs.config import JobConfig

_CHUNK = 65536


class Proxy:
    """Listens on a port of its own and forwards to the server of a config.

    drop_next_replies(n): the next n times that the server answers, the answer is thrown away and the
        connection closed: the command was carried out, and its client can't know.
    drop_some(share, seed): so with a share of all answers.
    delay(seconds): before each answer is passed on.
    hold() / release(): nothing gets through in either direction (half-open connections).
    cut(): closes every connection now; with `resets` as a broken network does (RST).
    refuse() / accept(): new ones are closed at once.
    point_to(server): new connections go to another server. attempts: when each connection was tried.
    """

    def __init__(self, server: JobConfig) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.config = replace(
            server, host="127.0.0.1", port=self._listener.getsockname()[1], unix_socket=None
        )
        self._drops = 0
        self._share, self._random = 0.0, random.Random(0)
        self._delay = 0.0
        self._passing = threading.Event()
        self._passing.set()
        self._refusing = False
        self._closed = False
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.dropped = 0
        self.attempts: list[float] = []  # monotonic times
        threading.Thread(target=self._listen, daemon=True).start()

    def drop_next_replies(self, count: int) -> None:
        with self._lock:
            self._drops = count

    def drop_some(self, share: float, seed: int = 0) -> None:
        with self._lock:
            self._share, self._random = share, random.Random(seed)

    def delay(self, seconds: float) -> None:
        self._delay = seconds

    def hold(self) -> None:
        self._passing.clear()

    def release(self) -> None:
        self._passing.set()

    def refuse(self) -> None:
        self._refusing = True

    def accept(self) -> None:
        self._refusing = False

    def cut(self, *, resets: bool = False) -> None:
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            if resets:
                pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._end(pair, resets=resets)

    def point_to(self, server: JobConfig) -> None:
        """New connections go to another server (a failover)."""
        self._server = server

    def close(self) -> None:
        self._closed = True
        self.release()
        self._listener.close()
        self.cut()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- threads ----------------------------------------------------------------------------------

    def _listen(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.attempts.append(time.monotonic())
            if self._refusing:
                client.close()
                continue
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            for side in (client, server):
                if side.family != socket.AF_UNIX:
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            threading.Thread(target=self._forward, args=(pair,), daemon=True).start()

    def _connect(self) -> socket.socket:
        if self._server.unix_socket:
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server.unix_socket)
            return server
        return socket.create_connection((self._server.host, self._server.port))

    def _forward(self, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError, ValueError):
            for side in pair:
                selector.register(side, selectors.EVENT_READ)
            while not self._closed:
                for key, _ in selector.select():
                    data = key.fileobj.recv(_CHUNK)  # type: ignore[union-attr]
                    self._passing.wait()
                    if not data or (key.fileobj is server and self._takes_a_drop()):
                        raise ConnectionAbortedError
                    if key.fileobj is client:
                        server.sendall(data)
                        continue
                    time.sleep(self._delay)
                    client.sendall(data)
        self._end(pair)

    def _takes_a_drop(self) -> bool:
        with self._lock:
            if self._drops:
                self._drops -= 1
            elif not self._share or self._random.random() >= self._share:
                return False
            self.dropped += 1
            return True

    def _end(self, pair: tuple[socket.socket, socket.socket], *, resets: bool = False) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for side in pair:
            if not resets:  # else closed at once, without a word
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            side.close()
