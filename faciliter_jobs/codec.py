"""Payloads to msgpack and back: bytes and datetimes survive, anything else is refused by name.

Format: https://github.com/msgpack/msgpack/blob/master/spec.md; aware datetimes are its timestamp
extension, naive ones our extension 1 (ISO 8601 text). Tuples come back as lists.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgpack

from .encryption import Cipher, check_plain
from .errors import NotSerialisableError, PayloadTooLargeError, UndecodableError

_NAIVE_DATETIME = 1
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
_COPIED = 16 * 1024 * 1024  # bytes over the limit that packing may copy before it says so
_LOOKED_AT = 100  # values of a payload, before it is packed
_MAX_DEPTH = 500  # msgpack's own limit is 511


def _default(value: Any) -> Any:
    if isinstance(value, datetime):  # aware ones never come here, but for subclasses
        return msgpack.ExtType(_NAIVE_DATETIME, value.isoformat().encode())
    raise TypeError(type(value).__name__)


def _ext_hook(code: int, data: bytes) -> Any:
    if code == _NAIVE_DATETIME:
        return datetime.fromisoformat(data.decode())
    return msgpack.ExtType(code, data)


def _unpackb(packed: bytes) -> Any:
    return msgpack.unpackb(packed, ext_hook=_ext_hook, timestamp=3, strict_map_key=False)


_local = threading.local()


def _new_packer() -> msgpack.Packer:
    return msgpack.Packer(default=_default, datetime=True)


def _packer() -> msgpack.Packer:
    """One for each thread: making one takes longer than packing a small job."""
    try:
        packer: msgpack.Packer = _local.packer
    except AttributeError:
        packer = _local.packer = _new_packer()
    return packer


def _bulk(root: Any, limit: int) -> int:
    """The size of texts and bytes among the first few values when it is over the limit: seen before
    packing, which would copy them. Else 0."""
    size, left, stack = 0, _LOOKED_AT, [root]
    while stack:
        value = stack.pop()
        for part in value.values() if type(value) is dict else value if type(value) is list else (value,):
            kind = type(part)
            if kind is str or kind is bytes:
                size += len(part)
            elif kind is dict or kind is list:
                stack.append(part)
            left -= 1
            if size > limit or left == 0:
                return size if size > limit else 0
    return 0


def pack(value: Any, field: str, limit: int) -> bytes:
    """Packs `value`, which is the argument `field`, into at most `limit` bytes.

    Raises NotSerialisableError with the path of the offending part, PayloadTooLargeError.
    """
    if bulk := _bulk(value, limit + _COPIED):
        raise PayloadTooLargeError(
            f"{field}: over {bulk:,} bytes, the limit is {limit:,} (JobConfig.max_payload_bytes)"
        )
    try:
        packed: bytes = _packer().pack(value)
        if len(packed) > limit:
            del _local.packer  # it would keep a buffer of that size
            raise PayloadTooLargeError(
                f"{field}: {len(packed):,} bytes packed, the limit is {limit:,} (JobConfig.max_payload_bytes)"
            )
        # Some values pack but can't be read back (a tuple as a key, 600 levels, a time after the year
        # 9999 in UTC): refused here, and not found out by the worker.
        _unpackb(packed)
    except PayloadTooLargeError:
        raise
    except Exception as error:  # what a caller's own classes raise, too
        if hasattr(_local, "packer"):
            del _local.packer  # with what it had packed
        path, reason = _why_not(value, field) or (field, f"{error or type(error).__name__}")
        raise NotSerialisableError(f"{path}: {reason}") from None
    return packed


class Codec:
    """How the payloads and texts of one queue are stored: within a limit, encrypted if it has keys."""

    def __init__(self, limit: int, encryption_keys: Sequence[str] = ()) -> None:
        self._limit = limit
        self.cipher = Cipher(encryption_keys) if encryption_keys else None

    def pack(self, value: Any, field: str, job_id: str) -> bytes:
        """As the function `pack`, for this field of this job."""
        packed = pack(value, field, self._limit)
        return packed if self.cipher is None else self.cipher.seal(packed, job_id, field)

    def text(self, value: str, field: str, job_id: str) -> str | bytes:
        """An error, a traceback, a message; '' stays so: it means that there is none."""
        if self.cipher is None or not value:
            return value
        return self.cipher.seal(value.encode(), job_id, field)


def unpack(data: bytes, field: str = "value") -> Any:
    """The inverse of `pack`. Raises UndecodableError."""
    try:
        return _unpackb(data)
    except Exception as error:  # msgpack raises many kinds for bad bytes
        check_plain(data, field)
        reason = str(error) or type(error).__name__
        raise UndecodableError(f"{field}: can't be decoded: {reason}") from error


def _key_path(path: str, key: Any) -> str:
    return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{key!r}]"


def _why_not(root: Any, field: str) -> tuple[str, str] | None:
    try:
        return _find_offender(root, field)
    except Exception as error:  # of a class that can't even be walked through
        return field, f"{type(error).__name__}: {error}"


def _find_offender(root: Any, field: str) -> tuple[str, str] | None:
    """Walks without recursion, so that the very deep and the circular are named too."""
    stack: list[tuple[str, Any, int]] = [(field, root, 0)]
    while stack:
        path, value, depth = stack.pop()
        if depth > _MAX_DEPTH:
            return path[:200], f"nested deeper than {_MAX_DEPTH} levels, or circular"
        if isinstance(value, dict):
            for key in value:
                if reason := _unfit(key):
                    return f"{path}[{key!r}]", f"key: {reason}"
            stack.extend((_key_path(path, k), v, depth + 1) for k, v in reversed(value.items()))
        elif isinstance(value, (list, tuple)) and not isinstance(value, msgpack.ExtType):
            last = len(value) - 1
            stack.extend((f"{path}[{last - i}]", v, depth + 1) for i, v in enumerate(reversed(value)))
        elif reason := _unfit(value):
            return path, reason
    return None


def _unfit(value: Any) -> str | None:
    if value is None or isinstance(value, (bool, float, bytes, bytearray, memoryview)):
        return None
    if isinstance(value, int):
        return None if _INT_MIN <= value <= _INT_MAX else "integer outside 64 bits"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "text with lone surrogates is not UTF-8"
        return None
    if isinstance(value, (datetime, msgpack.ExtType, msgpack.Timestamp)):
        try:
            _unpackb(_new_packer().pack(value))
        except Exception as error:  # what a time zone of a caller's raises, too
            return f"{type(value).__name__} can't be stored and read back: {error or type(error).__name__}"
        return None
    return f"{type(value).__name__} is not serialisable"
