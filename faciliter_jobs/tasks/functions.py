"""What a callable is under its wrappings: decorators, partials, static methods, objects with `__call__`."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

Function = Callable[..., Any]


def called(function: Function) -> Function:
    """The function that a call runs first: of a partial, a static method, an object."""
    function = _bare(function)
    return function if _is_plain(function) else called(type(function).__call__)


def is_async(function: Function) -> bool:
    """Whether a call gives an awaitable, as far as that can be known: an ordinary wrapper around an
    async function (`functools.wraps`) is taken to hand on what that returns."""
    return any(inspect.iscoroutinefunction(called(layer)) for layer in _layers(function))


def filled_in(function: Function) -> frozenset[str]:
    """The parameters that a partial has an argument by name for. (`inspect.signature` leaves out those
    that it fills in by position.)"""
    names: frozenset[str] = frozenset()
    while isinstance(function, functools.partial):
        names |= function.keywords.keys()
        function = function.func
    return names


def names_of(function: Function) -> dict[str, Any]:
    """What annotations are written in: the globals of the innermost function, which a decorator of
    another module doesn't share."""
    *_, innermost = _layers(function)
    own: dict[str, Any] | None = getattr(innermost, "__globals__", None)
    if own is not None:
        return own
    module = sys.modules.get(getattr(innermost, "__module__", None) or "")
    return {} if module is None else vars(module)


def _layers(function: Function) -> Iterator[Function]:
    """From the outside in."""
    while True:
        function = _bare(function)
        yield function
        inner: Function | None = getattr(function, "__wrapped__", None)
        if inner is None:
            if _is_plain(function):
                return
            inner = type(function).__call__
        function = inner


def _bare(function: Function) -> Function:
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, staticmethod):
            function = function.__func__
        else:
            return function


def _is_plain(function: Function) -> bool:
    return inspect.isroutine(function) or inspect.isclass(function)
