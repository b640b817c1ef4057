"""What a task needs and no producer sends: made before it runs, and closed after."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from ..errors import InvalidTypeError
from . import functions
from .context import JobContext

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Dependency:
    """A default value that stands for what its factory makes."""

    factory: Callable[..., Any]
    wants_context: bool = False
    needs: Mapping[str, Dependency] = field(default_factory=dict)

    @property
    def is_async(self) -> bool:
        own = functions.is_async(self.factory) or inspect.isasyncgenfunction(functions.called(self.factory))
        return own or any(need.is_async for need in self.needs.values())


@overload
def Depends(factory: Callable[..., AsyncIterator[T]]) -> T: ...
@overload
def Depends(factory: Callable[..., Iterator[T]]) -> T: ...
@overload
def Depends(factory: Callable[..., Awaitable[T]]) -> T: ...
@overload
def Depends(factory: Callable[..., T]) -> T: ...
def Depends(factory: Callable[..., Any]) -> Any:
    """As a parameter's default: `db: Database = Depends(open_database)`.

    The factory is called once per job, however many depend on it. It may be async in async tasks; a
    generator yields the value, and goes on after the job to close it, with the task's error raised
    at its `yield` if there is one. Its parameters: at most one, annotated JobContext, first, and
    `Depends` of its own.
    """
    if not callable(factory):
        raise InvalidTypeError(f"Depends: expected a function, got {type(factory).__name__}")
    needs: dict[str, Dependency] = {}
    wants_context = False
    for position, parameter in enumerate(_parameters(factory)):
        if isinstance(parameter.default, Dependency):
            needs[parameter.name] = parameter.default
        elif position == 0 and is_context(parameter, factory):
            wants_context = True
        elif parameter.default is parameter.empty and parameter.kind not in _VARIADIC:
            raise InvalidTypeError(
                f"Depends: {_name(factory)}'s parameter {parameter.name} is neither a JobContext (put "
                "first) nor a Depends, and has no default"
            )
    return Dependency(factory, wants_context, needs)


def _parameters(factory: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(factory).parameters.values())
    except ValueError:  # some built-in types don't tell
        return []


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def is_context(parameter: inspect.Parameter, function: Callable[..., Any]) -> bool:
    """Whether the parameter is annotated JobContext, also by name (`from __future__ import annotations`)."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        # The name may be known to type checkers only, so it can't always be evaluated.
        written = annotation.strip("\"' ").rpartition(".")[2]
        known = functions.names_of(function).get(annotation)
        return known is JobContext or written == JobContext.__name__
    return annotation is JobContext


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))


Needs = Mapping[str, Dependency]
Made = dict[Dependency, Any]


def make(
    needs: Mapping[str, Dependency], context: JobContext, stack: ExitStack, made: Made
) -> dict[str, Any]:
    """The values by parameter name. What generators must close goes on `stack`."""
    values: dict[str, Any] = {}
    for name, dependency in needs.items():
        if dependency not in made:
            arguments = make(dependency.needs, context, stack, made)
            first = (context,) if dependency.wants_context else ()
            factory = dependency.factory
            if inspect.isgeneratorfunction(functions.called(factory)):
                made[dependency] = stack.enter_context(contextmanager(factory)(*first, **arguments))
            else:
                made[dependency] = factory(*first, **arguments)
        values[name] = made[dependency]
    return values


async def make_async(needs: Needs, context: JobContext, stack: AsyncExitStack, made: Made) -> dict[str, Any]:
    """`make`, for async tasks; the factories may be of any kind."""
    values: dict[str, Any] = {}
    for name, dependency in needs.items():
        if dependency not in made:
            arguments = await make_async(dependency.needs, context, stack, made)
            first = (context,) if dependency.wants_context else ()
            made[dependency] = await _entered(dependency.factory, first, arguments, stack)
        values[name] = made[dependency]
    return values


async def _entered(
    factory: Callable[..., Any], first: tuple[Any, ...], arguments: dict[str, Any], stack: AsyncExitStack
) -> Any:
    called = functions.called(factory)
    if inspect.isasyncgenfunction(called):
        return await stack.enter_async_context(asynccontextmanager(factory)(*first, **arguments))
    if inspect.isgeneratorfunction(called):
        return stack.enter_context(contextmanager(factory)(*first, **arguments))
    value = factory(*first, **arguments)
    return await value if functions.is_async(factory) and inspect.isawaitable(value) else value
