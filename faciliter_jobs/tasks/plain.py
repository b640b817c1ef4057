"""Values to what msgpack can hold. What it doesn't know it leaves alone, for the codec to refuse by path."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePath
from typing import Any
from uuid import UUID

_AS_TEXT = (UUID, Decimal, Fraction, PurePath, IPv4Address, IPv6Address)
_AS_LIST = (list, tuple, set, frozenset, deque)
_SCALARS = (str, int, float, bool, bytes, type(None))


def plain(value: Any) -> Any:
    """Models and dataclasses become dicts, enums their values, sets lists; datetimes and bytes stay."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, dict):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, _AS_LIST):
        return [plain(item) for item in value]
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, (date, time)):
        return value if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    dump = _model_dump(value)
    return value if dump is None else plain(dump())


def _key(key: Any) -> Any:
    """What would become a list or a dict can't be a key: left as it is."""
    made = plain(key)
    return key if isinstance(made, (list, dict)) else made


def _model_dump(value: Any) -> Callable[[], Any] | None:
    """A library that was never imported has made no value."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return lambda: value.model_dump(by_alias=True)
    msgspec = sys.modules.get("msgspec")
    if msgspec is not None and isinstance(value, msgspec.Struct):
        return lambda: msgspec.to_builtins(value, builtin_types=(bytes, datetime))
    return None
