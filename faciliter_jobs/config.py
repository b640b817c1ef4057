"""Where the queue is, and its limits: from arguments, a URL or the environment."""

from __future__ import annotations

import os
import ssl as ssl_module
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from .errors import ConfigError

T = TypeVar("T")

_FORBIDDEN_IN_PREFIX = "{}"
_LOCATION = ("URL", "HOST", "PORT", "DB", "USERNAME", "PASSWORD")


@dataclass(frozen=True)
class JobConfig:
    """Times are in seconds, sizes in bytes.

    Raises ConfigError (a ValueError) for a field that can't be used.
    """

    host: str = "localhost"
    port: int = 6379
    db: int = 0
    password: str | None = field(default=None, repr=False)
    prefix: str = "jobs:"
    default_ttl: int = 86400
    max_connections: int = 10
    retry_on_timeout: bool = True
    socket_timeout: float = 5
    # beyond the documented fields
    username: str | None = None
    unix_socket: str | None = None
    ssl: bool = False
    ssl_options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # redis-py's ssl_*
    embedded: str | None = None  # data directory of an embedded server; "" = the default one
    max_payload_bytes: int = 1024 * 1024  # of one packed field: input_data, metadata, result
    shard: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (
            ("port", 1, 65535),
            ("db", 0, 2**31),
            ("default_ttl", 1, 10**10),
            ("max_connections", 1, 10**6),
            ("max_payload_bytes", 1, 512 * 1024 * 1024),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"{name}: expected an integer, got {value!r}")
            if not low <= value <= high:
                raise ConfigError(f"{name}: {value} is outside {low}..{high}")
        if isinstance(self.socket_timeout, bool) or not isinstance(self.socket_timeout, (int, float)):
            raise ConfigError(f"socket_timeout: expected seconds, got {self.socket_timeout!r}")
        if not 0 < self.socket_timeout <= 3600:
            raise ConfigError(f"socket_timeout: {self.socket_timeout} is outside 0..3600 seconds")
        if not isinstance(self.prefix, str) or len(self.prefix.encode()) > 256:
            raise ConfigError("prefix: expected a string of at most 256 bytes")
        if not self.prefix:
            raise ConfigError("prefix: must not be empty")
        if any(c in self.prefix for c in _FORBIDDEN_IN_PREFIX):
            raise ConfigError(f"prefix: {self.prefix!r} may not contain braces (they are the hash tag's)")
        if not isinstance(self.host, str) or not self.host:
            raise ConfigError(f"host: expected a name or address, got {self.host!r}")

    @property
    def location(self) -> str:
        """Where the server is, without secrets: for messages and logs."""
        if self.embedded is not None:
            return f"embedded://{self.embedded}"
        if self.unix_socket:
            return f"unix://{self.unix_socket}?db={self.db}"
        return f"{'rediss' if self.ssl else 'redis'}://{self.host}:{self.port}/{self.db}"

    @classmethod
    def from_url(cls, url: str, **overrides: Any) -> JobConfig:
        """`redis://[user[:password]@]host[:port][/db]`, `rediss://` (TLS), `unix://path?db=0`,
        `embedded://` (a server of our own, data in the default directory) or `embedded:///path`.

        Query parameters: `db`, and for TLS redis-py's `ssl_*` options.
        """
        return cls(**{**_fields_of_url(url, "url"), **overrides})

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> JobConfig:
        """`JOB_QUEUE_<NAME>`, else `REDIS_<NAME>`, else the default; empty counts as not set.

        `JOB_QUEUE_URL` goes before the variables of its parts. Raises ConfigError, naming the
        variable, when one is malformed.
        """
        env = os.environ if env is None else env
        location = _location_from_env(env)
        return cls(
            **location,
            **_given(
                prefix=_read(env, "PREFIX", str),
                default_ttl=_read(env, "TTL", int),
                max_connections=_read(env, "MAX_CONNECTIONS", int),
                retry_on_timeout=_read(env, "RETRY_ON_TIMEOUT", _boolean),
                socket_timeout=_read(env, "SOCKET_TIMEOUT", _number),
                max_payload_bytes=_read(env, "MAX_PAYLOAD_BYTES", int),
            ),
        )

    def with_socket(self, path: str) -> JobConfig:
        """The same queue on the server behind a unix socket."""
        return replace(self, unix_socket=path, embedded=None)


def is_configured(env: Mapping[str, str] | None = None) -> bool:
    """Whether the environment says where the server is."""
    env = os.environ if env is None else env
    return any(env.get(f"{start}_{name}") for start in ("JOB_QUEUE", "REDIS") for name in _LOCATION)


def _given(**values: Any) -> dict[str, Any]:
    return {k: v for k, v in values.items() if v is not None}


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("true", "1", "yes", "on"):
        return True
    if lowered in ("false", "0", "no", "off"):
        return False
    raise ValueError("expected true or false")


def _number(text: str) -> float:
    return int(text) if text.strip().isdigit() else float(text)


def _convert(name: str, text: str, convert: Callable[[str], T]) -> T:
    try:
        return convert(text)
    except ValueError:
        kind = {int: "an integer", _number: "a number", _boolean: "true or false"}.get(convert)
        raise ConfigError(f"{name}: expected {kind}, got {text!r}") from None


def _read(env: Mapping[str, str], name: str, convert: Callable[[str], T], *starts: str) -> T | None:
    for start in starts or ("JOB_QUEUE", "REDIS"):
        if text := env.get(f"{start}_{name}"):
            return _convert(f"{start}_{name}", text, convert)
    return None


def _location_from_env(env: Mapping[str, str]) -> dict[str, Any]:
    """JOB_QUEUE_URL, else JOB_QUEUE_HOST and its kin, else REDIS_URL, else REDIS_HOST and its kin."""
    if url := env.get("JOB_QUEUE_URL"):
        return _fields_of_url(url, "JOB_QUEUE_URL")
    own = any(env.get(f"JOB_QUEUE_{name}") for name in ("HOST", "PORT"))
    from_url = {} if own or not env.get("REDIS_URL") else _fields_of_url(env["REDIS_URL"], "REDIS_URL")
    from_parts = _given(
        host=_read(env, "HOST", str),
        port=_read(env, "PORT", int),
        db=_read(env, "DB", int),
        username=_read(env, "USERNAME", str),
        password=_read(env, "PASSWORD", str),
    )
    return {**from_parts, **from_url}


def _fields_of_url(url: str, name: str) -> dict[str, Any]:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    values: dict[str, Any] = {}
    if parts.username:
        values["username"] = unquote(parts.username)
    if parts.password:
        values["password"] = unquote(parts.password)
    if "db" in query:
        values["db"] = _convert(f"{name}: db", query["db"], int)
    if parts.scheme == "embedded":
        return {**values, "embedded": unquote(parts.netloc + parts.path)}
    if parts.scheme == "unix":
        path = unquote(parts.path)
        if not path:
            raise ConfigError(f"{name}: unix:// needs the path of a socket")
        return {**values, "unix_socket": path}
    if parts.scheme not in ("redis", "rediss"):
        scheme = parts.scheme or "no scheme"
        raise ConfigError(f"{name}: expected redis://, rediss://, unix:// or embedded://, got {scheme!r}")
    return {**values, **_network_fields(parts, query, name)}


def _network_fields(parts: Any, query: dict[str, str], name: str) -> dict[str, Any]:
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(f"{name}: the port is not a number from 1 to 65535") from None
    values: dict[str, Any] = _given(host=parts.hostname, port=port)
    if database := parts.path.strip("/"):
        values["db"] = _convert(f"{name}: db", database, int)
    if parts.scheme == "rediss":
        options = {k: v for k, v in query.items() if k.startswith("ssl_")}
        if options.get("ssl_cert_reqs") == "none":
            options["ssl_cert_reqs"] = ssl_module.CERT_NONE  # type: ignore[assignment]
        if "ssl_check_hostname" in options:
            options["ssl_check_hostname"] = _boolean(options["ssl_check_hostname"])  # type: ignore[assignment]
        values.update(ssl=True, ssl_options=options)
    return values
