"""Values of annotated types to plain data and back, by pydantic or msgspec where one is installed."""

from __future__ import annotations

import importlib.util
import sys
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

from ..errors import InvalidArgumentError, InvalidTypeError
from .plain import plain


class Converter(Protocol):
    def dump(self, value: Any) -> Any:
        """Plain data, checked to fit the annotation. Raises InvalidArgumentError."""

    def load(self, data: Any) -> Any:
        """A value of the annotated type. Raises InvalidArgumentError."""

    def dump_unchecked(self, value: Any) -> Any:
        """Plain data, whether it fits or not: a result, whose work is done."""


class PassThrough:
    """For what isn't annotated, and without either library: nothing is checked."""

    def dump(self, value: Any) -> Any:
        return plain(value)

    def load(self, data: Any) -> Any:
        return data

    dump_unchecked = dump


class PydanticConverter:
    def __init__(self, annotation: Any) -> None:
        import pydantic

        from . import fidelity  # imports pydantic

        self._error = pydantic.ValidationError
        self._adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(annotation)
        self._is_untyped = fidelity.is_untyped(self._adapter.core_schema)
        self._lost = fidelity.lost

    def dump(self, value: Any) -> Any:
        checked = self.load(value)
        try:
            data = self._dumped(checked)
        except TypeError as error:  # a model as a key: its dump, a dict, can't be one
            raise InvalidArgumentError(f"can't be made plain data: {error}") from None
        # A model whose dump it can't read itself, or reads as something else, is found out now.
        if found := self._lost(checked, self.load(data), untyped=self._is_untyped):
            path, how = found
            raise InvalidArgumentError(_located(path, f"wouldn't come to the worker as it is: {how}"))
        return data

    def load(self, data: Any) -> Any:
        try:
            return self._adapter.validate_python(data)
        except self._error as error:
            # Without the input, which may be a secret.
            found = error.errors(include_url=False, include_input=False, include_context=False)
            raise InvalidArgumentError("; ".join(_located(e["loc"], e["msg"]) for e in found)) from None

    def dump_unchecked(self, value: Any) -> Any:
        try:
            return self._dumped(value)
        except TypeError:
            return plain(value)  # which leaves the offender for the codec to refuse by path

    def _dumped(self, value: Any) -> Any:
        return plain(self._adapter.dump_python(value, by_alias=True, warnings=False, round_trip=True))


def _located(path: tuple[Any, ...], message: str) -> str:
    return ": ".join([".".join(map(str, path)), message] if path else [message])


class MsgspecConverter:
    def __init__(self, annotation: Any) -> None:
        import msgspec

        msgspec.inspect.type_info(annotation)  # raises for what it can't convert
        self._msgspec = msgspec
        self._annotation = annotation

    def dump(self, value: Any) -> Any:
        try:
            data = self._msgspec.to_builtins(value, builtin_types=(bytes, datetime))
        except (TypeError, self._msgspec.MsgspecError) as error:
            raise InvalidArgumentError(str(error)) from None
        self.load(data)
        return data

    def load(self, data: Any) -> Any:
        try:
            return self._msgspec.convert(data, self._annotation)
        except self._msgspec.ValidationError as error:
            raise InvalidArgumentError(str(error)) from None

    def dump_unchecked(self, value: Any) -> Any:
        return plain(value)


# What msgpack holds as it is, and what says nothing of a type.
_PLAIN = {str, int, float, bool, bytes, type(None), dict, list, datetime, object}


def converter_for(annotation: Any) -> Converter:
    """Raises InvalidTypeError for a type that can't be converted, or not without a library."""
    leaves = set(_leaves(annotation))
    if leaves <= {Any, object}:
        return PassThrough()
    msgspec = sys.modules.get("msgspec")
    if msgspec is not None and any(isinstance(t, type) and issubclass(t, msgspec.Struct) for t in leaves):
        return _made(MsgspecConverter, annotation)
    if _installed("pydantic"):
        return _made(PydanticConverter, annotation)
    if _installed("msgspec"):
        return _made(MsgspecConverter, annotation)
    for leaf in leaves:
        if isinstance(leaf, type) and leaf not in _PLAIN and not leaf.__module__.startswith("collections"):
            raise InvalidTypeError(
                f"{leaf.__qualname__}: converting it needs pydantic or msgspec: "
                "pip install 'faciliter-jobs[pydantic]' or 'faciliter-jobs[msgspec]'"
            )
    return PassThrough()


def _made(converter: type[PydanticConverter] | type[MsgspecConverter], annotation: Any) -> Converter:
    try:
        return converter(annotation)
    except Exception as error:  # of many kinds: each library has its own for types that it can't do
        reason = str(error).partition("\n")[0]
        raise InvalidTypeError(f"{annotation}: can't be converted: {reason}") from error


def _installed(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except ValueError:  # it stands in sys.modules as None: barred
        return False


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of: `list[Order | None]` has list, Order and None."""
    if annotation is None:
        yield type(None)
        return
    origin = typing.get_origin(annotation)
    if origin is None:
        yield annotation
        return
    if origin is typing.Literal:
        return
    if origin is typing.Annotated:
        yield from _leaves(typing.get_args(annotation)[0])
        return
    if isinstance(origin, type) and origin is not types.UnionType:
        yield origin
    for argument in typing.get_args(annotation):
        if argument is not Ellipsis and not isinstance(argument, list):
            yield from _leaves(argument)
