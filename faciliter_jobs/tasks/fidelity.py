"""Whether a value came through its plain data as it was. In doubt it did: a false alarm would refuse
arguments that nothing is wrong with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from .plain import plain

_LISTS = (list, tuple, deque)
_SETS = (set, frozenset)

Part = tuple[Any, Any, Any]  # its name, as it was, as it is
Lost = tuple[tuple[Any, ...], str]  # where, and what of it: never the value, which may be a secret


def lost(before: Any, after: Any, *, untyped: bool) -> Lost | None:
    """The first part that isn't the same.

    untyped: some part of the annotation is Any, which says that plain data will do as well.
    """
    if before is after:
        return None
    parts = _parts(before, after)
    found = None
    if parts is not None:
        for name, was, now in parts:
            if inner := lost(was, now, untyped=untyped):
                found = (name, *inner[0]), inner[1]
                break
    elif not _is_equal(before, after):
        found = (), _how(before, after)
    if found and untyped and _is_equal(plain(before), after):
        return None
    return found


def is_untyped(schema: Any) -> bool:
    """Whether a pydantic core schema has an Any in it."""
    left = [schema]
    while left:
        part = left.pop()
        if isinstance(part, Mapping):
            if part.get("type") == "any":
                return True
            left.extend(part.values())
        elif isinstance(part, (list, tuple)):
            left.extend(part)
    return False


def _parts(before: Any, after: Any) -> Iterable[Part] | None:
    """What two values of a kind have to be compared by; None where they are compared themselves."""
    if isinstance(before, BaseModel):
        return _of_models(before, after) if _class(before) is _class(after) else None
    if is_dataclass(before):
        return _of_dataclasses(before, after) if type(before) is type(after) else None
    if not _of_a_kind(before, after):
        return None
    if isinstance(before, dict):
        return ((key, before[key], after[key]) for key in before) if before.keys() == after.keys() else None
    if isinstance(before, _LISTS):  # a tuple that has become a list has lost nothing
        return ((position, *pair) for position, pair in enumerate(zip(before, after)))
    if isinstance(before, _SETS) and before != after:  # of NaN, or of what knows itself only
        return (("", *pair) for pair in zip(_sorted(before), _sorted(after)))
    return None


def _of_a_kind(before: Any, after: Any) -> bool:
    for kind in (dict, _LISTS, _SETS):
        if isinstance(before, kind):
            return isinstance(after, kind) and len(before) == len(after)
    return False


def _of_models(before: BaseModel, after: BaseModel) -> Iterator[Part]:
    for name, field in type(before).model_fields.items():
        # One that is left out and was never given has its default in the worker.
        if not field.exclude or name in before.model_fields_set:
            yield name, getattr(before, name), getattr(after, name)
    for name, value in (before.__pydantic_extra__ or {}).items():  # of no declared type: plain data will do
        yield name, plain(value), (after.__pydantic_extra__ or {}).get(name)


def _of_dataclasses(before: Any, after: Any) -> Iterator[Part]:
    for field in fields(before):
        if field.init:  # the others it makes itself
            yield field.name, getattr(before, field.name), getattr(after, field.name)


def _class(value: Any) -> Any:
    """A generic model's own class: its parameters are the annotation's affair."""
    known = getattr(type(value), "__pydantic_generic_metadata__", None) or {}
    return known.get("origin") or type(value)


def _is_equal(before: Any, after: Any) -> bool:
    try:
        if before == after or (before != before and after != after):  # NaN isn't what it is
            return True
    except Exception:  # an array compares by element, a signalling NaN not at all
        return type(before) is type(after)
    compares_itself_only = getattr(type(before), "__eq__", None) is object.__eq__
    return type(before) is type(after) and compares_itself_only


def _how(before: Any, after: Any) -> str:
    was, now = type(before).__qualname__, type(after).__qualname__
    return "another value" if was == now else f"{now} in place of {was}"


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=lambda value: repr(plain(value)))
