"""A function's parameters as a job's `input_data`: by name, so that it reads well, and so that any
producer can submit it with a dict."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from ..errors import InvalidArgumentError, InvalidTypeError
from . import functions
from .convert import Converter, PassThrough, converter_for
from .dependencies import Dependency, is_context

_POSITIONAL: dict[Any, str] = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of positional arguments",
}


class Signature:
    """What of a function's signature producers see. Raises InvalidTypeError for what can't travel."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.dependencies: dict[str, Dependency] = {}
        self.wants_context = False
        self._function = function
        self._rest: str | None = None  # of **rest
        shown: list[inspect.Parameter] = []
        own = inspect.signature(function)
        filled_in = functions.filled_in(function)
        for position, parameter in enumerate(own.parameters.values()):
            if parameter.name in filled_in:
                continue
            if is_context(parameter, function):
                if position > 0:
                    raise InvalidTypeError(f"{name}: {parameter.name}: the JobContext must be first")
                self.wants_context = True
            elif isinstance(parameter.default, Dependency):
                self.dependencies[parameter.name] = parameter.default
            elif reason := _POSITIONAL.get(parameter.kind):
                raise InvalidTypeError(
                    f"{name}: {parameter.name}: {reason}, but a job's arguments travel by name"
                )
            else:
                shown.append(parameter)
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    self._rest = parameter.name
        self._shown = own.replace(parameters=shown)
        self._hidden = own.parameters.keys() - self._shown.parameters.keys()
        self._names = frozenset(p.name for p in shown if p.name != self._rest)
        self._needed = frozenset(p.name for p in shown if p.name in self._names and p.default is p.empty)

    def dump(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """`input_data` for a call with these arguments: those that were given, not the defaults.

        Raises InvalidTypeError, InvalidArgumentError, naming the task and the parameter.
        """
        return {name: self._converted("dump", name, value) for name, value in self._bound(args, kwargs)}

    def load(self, input_data: Mapping[str, Any] | None) -> dict[str, Any]:
        """The inverse of `dump`; raises as it does."""
        given = {} if input_data is None else input_data
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise InvalidTypeError(f"{self.name}: input_data: expected a dict with the arguments by name")
        return {name: self._converted("load", name, value) for name, value in self._bound((), given)}

    def dump_result(self, value: Any) -> Any:
        return self._result.dump_unchecked(value)

    def load_result(self, data: Any) -> Any:
        """Raises InvalidArgumentError when it isn't what the function says that it returns."""
        return self._result.load(data)

    def prepare(self) -> None:
        """Makes the converters. Raises InvalidTypeError for an annotation that can't be used."""
        _ = self._converters, self._result

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[str, Any]]:
        if not args and self._needed <= kwargs.keys() <= self._names:
            return list(kwargs.items())  # as the worker calls it: nothing to find out
        if hidden := self._hidden & kwargs.keys():
            raise InvalidTypeError(f"{self.name}: {min(hidden)} is given by the worker, not by producers")
        try:
            bound = self._shown.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise InvalidTypeError(f"{self.name}: {error}") from None
        rest = bound.pop(self._rest, {}) if self._rest else {}
        return [*bound.items(), *rest.items()]

    def _converted(self, way: typing.Literal["dump", "load"], name: str, value: Any) -> Any:
        converter = self._converters.get(name) or self._converters[self._rest or name]
        try:
            return converter.dump(value) if way == "dump" else converter.load(value)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{self.name}: {name}: {error}") from error

    @cached_property
    def _converters(self) -> dict[str, Converter]:
        return {name: self._converter(name, self._hints.get(name, Any)) for name in self._shown.parameters}

    @cached_property
    def _result(self) -> Converter:
        return self._converter("its result", self._hints.get("return", Any))

    def _converter(self, subject: str, annotation: Any) -> Converter:
        if annotation is Any:
            return PassThrough()
        try:
            return converter_for(annotation)
        except InvalidTypeError as error:
            raise InvalidTypeError(f"{self.name}: {subject}: {error}") from error

    @cached_property
    def _hints(self) -> dict[str, Any]:
        """Resolved late: a name may be defined further down in the module."""
        # Without those of other parameters, whose names may be known to type checkers only.
        written = {parameter.name: parameter.annotation for parameter in self._shown.parameters.values()}
        written["return"] = self._shown.return_annotation
        given = {name: hint for name, hint in written.items() if hint is not inspect.Signature.empty}
        try:
            return typing.get_type_hints(
                SimpleNamespace(__annotations__=given),
                functions.names_of(self._function),
                include_extras=True,
            )
        except NameError as error:
            raise InvalidTypeError(
                f"{self.name}: an annotation can't be resolved: {error}. Define it in the module itself"
            ) from error
