"""Where the queue is, and its limits: from arguments, a URL or the environment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from . import tls
from .encryption import parse_keys
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
    encryption_keys: Sequence[str] = field(default=(), repr=False)  # id:base64; the first one encrypts

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
        if not isinstance(self.prefix, str):
            raise ConfigError(f"prefix: expected a string, got {self.prefix!r}")
        if len(self.prefix.encode("utf-8", "replace")) > 256:
            raise ConfigError("prefix: longer than 256 bytes")
        if any("\ud800" <= c <= "\udfff" for c in self.prefix):
            raise ConfigError("prefix: text with lone surrogates is not UTF-8")
        if not self.prefix:
            raise ConfigError("prefix: must not be empty")
        if any(c in self.prefix for c in _FORBIDDEN_IN_PREFIX):
            raise ConfigError(f"prefix: {self.prefix!r} may not contain braces (they are the hash tag's)")
        if not isinstance(self.host, str) or not self.host:
            raise ConfigError(f"host: expected a name or address, got {self.host!r}")
        if any(c in self.host for c in "/@"):  # a URL, perhaps with a password
            raise ConfigError("host: expected a name or address; a URL goes into JOB_QUEUE_URL or from_url")
        parse_keys(self.encryption_keys)
        tls.read(self.ssl_options)
        if self.ssl_options and not self.ssl:
            raise ConfigError("ssl_options: need TLS: rediss://, or ssl=True")

    @property
    def location(self) -> str:
        """Where the server is, without secrets: for messages and logs."""
        if self.embedded is not None:
            return f"embedded://{self.embedded}"
        if self.unix_socket:
            return f"unix://{self.unix_socket}?db={self.db}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.ssl else 'redis'}://{host}:{self.port}/{self.db}"

    @classmethod
    def from_url(cls, url: str, **overrides: Any) -> JobConfig:
        """`redis://[user[:password]@]host[:port][/db]`, `rediss://` (TLS), `unix://path?db=0`,
        `embedded://` (a server of our own, data in the default directory) or `embedded:///path`.

        Query parameters: `db`, and for TLS redis-py's `ssl_*` options (docs/security.md).
        """
        return cls(**{**_fields_of_url(url, "url"), **overrides})

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> JobConfig:
        """`JOB_QUEUE_<NAME>`, else `REDIS_<NAME>`, else the default; empty counts as not set.

        `JOB_QUEUE_URL` goes before the variables of its parts, which say what it leaves open (a password that
        is kept elsewhere). Raises ConfigError, naming the variable, when one is malformed.
        """
        env = os.environ if env is None else env
        values, variables, url = _location_from_env(env)
        _take_tls(env, url, values, variables)
        for field_name, name, convert in _SETTINGS:
            _take(env, name, convert, field_name, values, variables)
        try:
            return cls(**values)
        except ConfigError as error:  # it names the field; here the variable is what its reader knows
            field_name, _, text = str(error).partition(":")
            variable = variables.get(field_name, field_name)
            if field_name.startswith("ssl_"):
                variable = variables.get(field_name, variables.get("ssl_options", field_name))
            detail = f"{field_name}:{text}" if variable.endswith("_URL") else text.strip()
            raise ConfigError(f"{variable}: {detail}") from None

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


def _list(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:  # such as "$NEW,$OLD", both unset: not the same as to want none
        raise ValueError("nothing but commas and spaces")
    return found


def _number(text: str) -> float:
    return int(text) if text.strip().isdigit() else float(text)


def _convert(name: str, text: str, convert: Callable[[str], T], *, show: bool = True) -> T:
    with contextlib.suppress(ValueError):  # whose text shows the value
        return convert(text)
    kinds = {int: "an integer", _number: "a number", _boolean: "true or false", _list: "id:base64,..."}
    # What may hold a password isn't shown: a URL in the wrong variable, a part of one that is malformed.
    raise ConfigError(
        f"{name}: expected {kinds.get(convert)}" + (f", got {text!r}" if show and "@" not in text else "")
    )


_PARTS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    ("host", "HOST", str),
    ("port", "PORT", int),
    ("db", "DB", int),
    ("username", "USERNAME", str),
    ("password", "PASSWORD", str),
)
_SETTINGS: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
    ("prefix", "PREFIX", str),
    ("default_ttl", "TTL", int),
    ("max_connections", "MAX_CONNECTIONS", int),
    ("retry_on_timeout", "RETRY_ON_TIMEOUT", _boolean),
    ("socket_timeout", "SOCKET_TIMEOUT", _number),
    ("max_payload_bytes", "MAX_PAYLOAD_BYTES", int),
    ("encryption_keys", "ENCRYPTION_KEYS", _list),
)


def _take(
    env: Mapping[str, str],
    name: str,
    convert: Callable[[str], Any],
    field_name: str,
    values: dict[str, Any],
    variables: dict[str, str],
    *,
    own_only: bool = False,
) -> None:
    """Sets the field from the first of its variables that is set, and notes which that was."""
    for variable in (f"JOB_QUEUE_{name}",) if own_only else (f"JOB_QUEUE_{name}", f"REDIS_{name}"):
        if text := env.get(variable):
            values[field_name] = _convert(variable, text, convert)
            variables[field_name] = variable
            return


def _location_from_env(env: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str], str | None]:
    """JOB_QUEUE_URL, else JOB_QUEUE_HOST or _PORT with the other parts, else REDIS_URL, else the
    parts; what a URL leaves open comes from the parts, of JOB_QUEUE_URL from JOB_QUEUE's own: REDIS_PASSWORD
    is another server's. Also says which variable set which field, and which one had a URL."""
    values: dict[str, Any] = {}
    variables: dict[str, str] = {}
    url: str | None = None
    own_parts = any(env.get(f"JOB_QUEUE_{name}") for name in ("HOST", "PORT"))
    url_variable = "JOB_QUEUE_URL" if env.get("JOB_QUEUE_URL") else "REDIS_URL"
    is_own = url_variable == "JOB_QUEUE_URL"
    if is_own or (env.get("REDIS_URL") and not own_parts):
        url = url_variable
        values = _fields_of_url(env[url], url, strict=is_own)
        variables = dict.fromkeys(values, url)
    for field_name, name, convert in _PARTS:
        if is_own and ("embedded" in values or ("unix_socket" in values and name in ("HOST", "PORT"))):
            continue
        is_open = field_name not in values
        if is_open or (not is_own and env.get(f"JOB_QUEUE_{name}")):
            _take(env, name, convert, field_name, values, variables, own_only=is_own)
    return values, variables, url


def _take_tls(
    env: Mapping[str, str], url: str | None, values: dict[str, Any], variables: dict[str, str]
) -> None:
    """`..._SSL` turns TLS on where there is no URL; `..._SSL_<OPTION>` add to a URL's options."""
    if "embedded" in values or "unix_socket" in values:
        return
    if url is None:
        _take(env, "SSL", _boolean, "ssl", values, variables)
    else:
        _refuse_another_word(env, url, values.get("ssl", False))
    if not values.get("ssl"):
        for option in tls.OPTIONS:
            if env.get(name := f"JOB_QUEUE_SSL_{option.upper()}"):
                raise ConfigError(f"{name}: needs TLS: rediss:// in the URL, or JOB_QUEUE_SSL=true")
        return
    options: dict[str, Any] = {}
    for option in tls.OPTIONS:
        _take(env, f"SSL_{option.upper()}", str, f"ssl_{option}", options, variables)
    values["ssl_options"] = {**options, **values.get("ssl_options", {})}


def _refuse_another_word(env: Mapping[str, str], url: str, has_tls: bool) -> None:
    """No connection is plain by mistake: our own ..._SSL is heard whichever URL is used."""
    for name in ("JOB_QUEUE_SSL", url.replace("_URL", "_SSL")):
        stated = env.get(name)
        if stated and _convert(name, stated, _boolean) != has_tls:
            raise ConfigError(f"{name}: {url} says otherwise")


def _fields_of_url(url: str, name: str, *, strict: bool = True) -> dict[str, Any]:
    """strict: parameters that we don't know are refused. REDIS_URL may have some of another library."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its text may hold the password
        raise ConfigError(f"{name}: not a URL that can be read") from None
    if parts.fragment or "@" in parts.query:
        raise ConfigError(f"{name}: a password's #, ? and / are written %23, %3F and %2F")
    query = dict(parse_qsl(parts.query))
    unknown = [key for key in query if key != "db" and not key.startswith("ssl_")]
    if unknown and strict:
        raise ConfigError(f"{name}: unknown parameter {unknown[0]!r}; there are db and ssl_*")
    values: dict[str, Any] = {}
    if parts.username:
        values["username"] = unquote(parts.username)
    if parts.password:
        values["password"] = unquote(parts.password)
    if "db" in query:
        values["db"] = _convert(f"{name}: db", query["db"], int, show=False)
    if parts.scheme == "embedded":
        if "@" in parts.netloc:
            raise ConfigError(f"{name}: an embedded server has no user and no password")
        return {**values, "embedded": unquote(parts.netloc + parts.path)}
    if parts.scheme == "unix":
        path = unquote(parts.path)
        if not path or (parts.netloc and not parts.netloc.endswith("@")):
            raise ConfigError(f"{name}: unix:// needs the path of a socket")
        return {**values, "unix_socket": path}
    if parts.scheme not in ("redis", "rediss"):
        # Without `://` it may be anything, a password too.
        scheme = repr(parts.scheme) if url.lower().startswith(f"{parts.scheme}://") else "no scheme"
        raise ConfigError(f"{name}: expected redis://, rediss://, unix:// or embedded://, got {scheme}")
    return {**values, **_network_fields(parts, query, name)}


def _network_fields(parts: Any, query: dict[str, str], name: str) -> dict[str, Any]:
    port: int | None = -1
    with contextlib.suppress(ValueError):  # whose text may show a part of the password
        port = parts.port
    if port == -1:
        raise ConfigError(f"{name}: the port is not a number from 1 to 65535")
    values: dict[str, Any] = _given(host=parts.hostname, port=port)
    if database := parts.path.strip("/"):
        values["db"] = _convert(f"{name}: db", database, int, show=False)
    if parts.scheme == "rediss":
        values["ssl"] = True
    if options := {k: v for k, v in query.items() if k.startswith("ssl_")}:
        values["ssl_options"] = options
    return values
