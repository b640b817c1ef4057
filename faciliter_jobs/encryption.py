"""Payloads and texts encrypted with keys that the server never sees: AES-256-GCM by `cryptography`.

Stored form: 0xC1 (a byte that neither msgpack nor UTF-8 ever begins with), version, length of the key's
id, the id, 4 bytes that check the key, 12 bytes of nonce, ciphertext with tag. The job's id, the field
and everything before the nonce are authenticated, so that no ciphertext can pose as another's.

Each job has a key of its own, derived from yours: random nonces are safe for 2^32 messages of a key,
which a busy queue has in a day.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError, EncryptionError, MissingKeyError

MARK = b"\xc1"
_VERSION = 1
_HEAD = MARK + bytes([_VERSION])
_KEY_BYTES, _CHECK_BYTES, _NONCE_BYTES = 32, 4, 12
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}\Z")


def generate_key(key_id: str) -> str:
    """A new random key, as `JobConfig.encryption_keys` takes it: `id:base64`."""
    key = f"{key_id}:{base64.b64encode(os.urandom(_KEY_BYTES)).decode()}"
    parse_keys([key])
    return key


def parse_keys(keys: Sequence[str]) -> dict[str, bytes]:
    """By id, in their order. Raises ConfigError, which never shows a key."""
    if isinstance(keys, (str, bytes)) or not all(isinstance(key, str) for key in keys):
        raise ConfigError("encryption_keys: expected a list of strings, each id:base64")
    parsed: dict[str, bytes] = {}
    for number, text in enumerate(keys, 1):
        key_id, _, encoded = text.strip().partition(":")
        if not _ID.match(key_id) or not encoded:
            raise ConfigError(
                f"encryption_keys: key {number} is not id:base64 (an id is 1 to 32 of A-Z a-z 0-9 . _ -)"
            )
        try:
            key = base64.b64decode(encoded.translate({45: "+", 95: "/"}), validate=True)
        except ValueError:
            raise ConfigError(f"encryption_keys: key {number}: what follows its id is not base64") from None
        if len(key) != _KEY_BYTES:
            raise ConfigError(f"encryption_keys: key {number} has {len(key)} bytes, not {_KEY_BYTES}")
        if key_id in parsed:
            raise ConfigError(f"encryption_keys: two keys have the id {key_id!r}")
        parsed[key_id] = key
    return parsed


@dataclass(frozen=True, slots=True)
class _Key:
    secret: bytes
    head: bytes  # what everything that it encrypts begins with

    @classmethod
    def of(cls, key_id: str, secret: bytes) -> _Key:
        check = hmac.digest(secret, b"faciliter-jobs: key check", "sha256")[:_CHECK_BYTES]
        return cls(secret, _HEAD + bytes([len(key_id)]) + key_id.encode() + check)

    def of_job(self, job_id: bytes) -> bytes:
        return hmac.digest(self.secret, b"faciliter-jobs: job\0" + job_id, "sha256")


class Cipher:
    """The first key encrypts, all decrypt. Safe between threads."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises ConfigError when there is none, or when `cryptography` isn't installed."""
        parsed = parse_keys(keys)
        if not parsed:
            raise ConfigError("encryption_keys: no key")
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ModuleNotFoundError:
            raise ConfigError(
                "encryption_keys: needs cryptography: pip install 'faciliter-jobs[encryption]'"
            ) from None
        self._gcm: Any = AESGCM
        self._invalid = InvalidTag
        self._keys = {key_id: _Key.of(key_id, secret) for key_id, secret in parsed.items()}
        self._first = next(iter(self._keys.values()))

    def seal(self, data: bytes, job_id: str, field: str) -> bytes:
        """Encrypts what is to be stored as this field of this job."""
        key, bound_to = self._first, job_id.encode()
        nonce = os.urandom(_NONCE_BYTES)
        sealed: bytes = self._gcm(key.of_job(bound_to)).encrypt(
            nonce, data, _context(key.head, field, bound_to)
        )
        return key.head + nonce + sealed

    def open(self, stored: bytes, job_id: str, field: str) -> bytes:
        """What `seal` was given; what isn't encrypted as it is.

        Raises MissingKeyError, EncryptionError when it was changed, or sealed for another job or field.
        """
        if not stored.startswith(MARK):
            return stored
        key, at = self._key_of(stored, field)
        bound_to = job_id.encode()
        nonce, sealed = stored[at : at + _NONCE_BYTES], stored[at + _NONCE_BYTES :]
        try:
            data: bytes = self._gcm(key.of_job(bound_to)).decrypt(
                nonce, sealed, _context(key.head, field, bound_to)
            )
        except (self._invalid, ValueError):
            raise EncryptionError(
                f"{field}: its ciphertext was changed, cut, or made for another job or field"
            ) from None
        return data

    def _key_of(self, stored: bytes, field: str) -> tuple[_Key, int]:
        """The key that sealed it, and where its nonce begins."""
        key_id = key_id_of(stored)
        if key_id is None:
            raise EncryptionError(f"{field}: its ciphertext was changed or cut, or is of a later version")
        key = self._keys.get(key_id)
        if key is None:
            raise MissingKeyError(
                f"{field}: is encrypted with the key {key_id!r}, which this client doesn't have "
                f"(it has {', '.join(self._keys)})"
            )
        if not stored.startswith(key.head):
            raise MissingKeyError(
                f"{field}: is encrypted with another key of the id {key_id!r} than this client's"
            )
        return key, len(key.head)


def _context(head: bytes, field: str, job_id: bytes) -> bytes:
    # Neither a field's name nor a job's id has a NUL.
    return head + field.encode() + b"\0" + job_id


def key_id_of(stored: bytes) -> str | None:
    """The id of the key that sealed it; None when it isn't what `seal` makes."""
    if not stored.startswith(_HEAD) or len(stored) < 3:
        return None
    key_id = stored[3 : 3 + stored[2]].decode("ascii", "replace")
    return key_id if len(key_id) == stored[2] and _ID.match(key_id) else None


def check_plain(stored: bytes, field: str) -> None:
    """For a client without keys: raises MissingKeyError when this is encrypted."""
    if (key_id := key_id_of(stored)) is None:
        return
    raise MissingKeyError(
        f"{field}: is encrypted with the key {key_id!r}, and this client has no keys "
        "(JobConfig.encryption_keys, JOB_QUEUE_ENCRYPTION_KEYS)"
    )
