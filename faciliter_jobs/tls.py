"""Settings of TLS connections (redis-py's `ssl_*` arguments), and what their errors mean."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ConfigError

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_REQUIREMENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_TRUTHS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def _one_of(known: Mapping[str, Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if isinstance(value, str) and value in known:
            return known[value]
        if any(value is one for one in known.values()):
            return value
        raise ValueError(f"is none of {', '.join(known)}")

    return convert


def _path(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)) and (path := os.fspath(value)):
        return str(path)
    raise ValueError("expected a path")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("expected a string")


def _requirement(value: Any) -> ssl.VerifyMode:
    if isinstance(value, str):
        value = value.removeprefix("CERT_").lower()  # Python's own names, as Celery's URLs have them
    return ssl.CERT_NONE if value is None else _one_of(_REQUIREMENTS)(value)


# The options that can be set in a URL's query and by a variable, without `ssl_`.
OPTIONS: dict[str, Callable[[Any], Any]] = {
    "ca_certs": _path,
    "ca_path": _path,
    "certfile": _path,
    "keyfile": _path,
    "password": _text,
    "cert_reqs": _requirement,
    "check_hostname": _one_of(_TRUTHS),
    "min_version": _one_of(_VERSIONS),
    "ciphers": _text,
}
_BY_ARGUMENT_ONLY = {"ca_data", "include_verify_flags", "exclude_verify_flags"}
FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")


def read(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checks them, and gives them as redis-py takes them. Raises ConfigError, which shows no value."""
    values: dict[str, Any] = {}
    for name, value in options.items():
        short = name.removeprefix("ssl_") if isinstance(name, str) else ""
        if short == name or short not in {*OPTIONS, *_BY_ARGUMENT_ONLY}:
            raise ConfigError(f"ssl_options: unknown option {name!r} (known: ssl_{', ssl_'.join(OPTIONS)})")
        if short in _BY_ARGUMENT_ONLY or (value is None and short != "cert_reqs"):
            values[name] = value
            continue
        try:
            values[name] = OPTIONS[short](value)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from None
    if values.get("ssl_keyfile") and not values.get("ssl_certfile"):
        raise ConfigError("ssl_keyfile: without ssl_certfile")
    return values


def wrong_setting(options: Mapping[str, Any], text: str) -> str:
    """What to set right when a connection fails with this text, and would again; '' when it isn't that."""
    if "Hostname mismatch" in text or "IP address mismatch" in text:
        return "connect by a name that the server's certificate has (ssl_check_hostname=false: any)"
    if "certificate has expired" in text:
        return "the server's certificate, or its CA's, has expired"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "ssl_ca_certs must name the CA of the server's certificate"
    if "No such file" in text or "Permission denied" in text:
        return _unreadable(options)
    if "KEY_VALUES_MISMATCH" in text:
        return "ssl_keyfile is not the key of ssl_certfile"
    if "PEM lib" in text or "NO_CERTIFICATE_OR_CRL_FOUND" in text or "NO_START_LINE" in text:
        return "ssl_ca_certs, ssl_certfile or ssl_keyfile is not PEM, or ssl_password does not open the key"
    return ""


def hint(options: Mapping[str, Any], text: str) -> str:
    """What to look at when a connection fails with this text; '' when nothing is known of it."""
    if wrong := wrong_setting(options, text):
        return wrong
    if (
        "Timeout connecting" in text
        or "WRONG_VERSION_NUMBER" in text
        or "UNEXPECTED_MESSAGE" in text
        or "RECORD_LAYER_FAILURE" in text
    ):
        return "does the server speak TLS on this port? redis:// instead of rediss:// if not"
    refused = "ALERT" in text or "EOF occurred in violation" in text
    if not options.get("ssl_certfile") and (refused or "reset by peer" in text):
        return "the server may want a client certificate: ssl_certfile, ssl_keyfile"
    if refused:
        return "the server may not trust this client's certificate: ssl_certfile"
    return ""


def _unreadable(options: Mapping[str, Any]) -> str:
    paths = [(name, options[name]) for name in FILES if options.get(name)]
    return ", ".join(f"{name}={path} can't be read" for name, path in paths if not os.access(path, os.R_OK))
