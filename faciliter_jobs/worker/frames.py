"""Messages between a worker and its child processes: msgpack, after their length."""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgpack

_LENGTH = struct.Struct("<I")


def send(link: socket.socket, message: Any) -> None:
    """Raises OSError when the other side is gone."""
    packed = msgpack.packb(message)
    link.sendall(_LENGTH.pack(len(packed)) + packed)


def receive(link: socket.socket) -> Any:
    """None when the other side is gone."""
    header = receive_exactly(link, _LENGTH.size)
    if header is None:
        return None
    body = receive_exactly(link, _LENGTH.unpack(header)[0])
    return None if body is None else msgpack.unpackb(body, strict_map_key=False)


def receive_exactly(link: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        try:
            part = link.recv(size)
        except OSError:
            return None
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
