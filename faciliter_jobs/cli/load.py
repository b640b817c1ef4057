"""MODULE:OBJECT on the command line to the object that it names."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import InvalidArgumentError
from ..handlers import JobHandler
from ..tasks import JobApp, Task
from ..worker import JobWorker

Served = JobWorker | JobHandler | JobApp

_OURS = (str(Path(__file__).parent.parent), str(Path(importlib.__file__).parent), "<frozen importlib")


def worker_or_handler(target: str) -> Served:
    """Raises InvalidArgumentError, and whatever the module itself raises."""
    found = _named(target)
    if not isinstance(found, Served) and callable(found) and not isinstance(found, Task):
        found = _called(found, target)
    if not isinstance(found, Served):
        raise InvalidArgumentError(
            f"{target}: expected a JobApp, a JobWorker or a JobHandler, got {type(found).__name__}"
        )
    return found


def _named(target: str) -> Any:
    module_name, _, path = target.partition(":")
    if not module_name or not path:
        raise InvalidArgumentError(f"{target!r}: expected MODULE:OBJECT, such as app.jobs:worker")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise  # the module is there; something that it imports isn't
        raise InvalidArgumentError(f"{target}: there is no module {error.name}") from error
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise InvalidArgumentError(f"{target}: {module_name} has no {path}") from error
    return found


def _called(found: Any, target: str) -> Any:
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{target}: expected a JobApp, a JobWorker, a JobHandler, or what returns one when called "
            f"without arguments ({error})"
        ) from error
    if inspect.isabstract(found):
        raise InvalidArgumentError(f"{target}: an abstract class")
    return found()


def failure_of(target: str, error: BaseException) -> str:
    """What its author needs to see of an error in a module: a traceback of the module's own lines, and
    the reason, without how we came to load it."""
    whole, seen = error.__traceback__, set[int]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = _without_ours(link.__traceback__)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    if error.__traceback__ is None and not isinstance(error, SyntaxError):
        error.__traceback__ = whole  # none of the module's lines took part: the fault is ours
    reason = traceback.format_exception_only(error)[-1].strip()
    return "".join(traceback.format_exception(error)) + f"error: can't load {target}: {reason}"


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    steps = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_OURS):
            steps.append(trace)
        trace = trace.tb_next
    kept: TracebackType | None = None
    for step in reversed(steps):
        kept = TracebackType(kept, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return kept
