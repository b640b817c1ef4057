"""MODULE:OBJECT on the command line to the object that it names."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from ..errors import InvalidArgumentError
from ..handlers import JobHandler
from ..tasks import JobApp, Task
from ..worker import JobWorker

Served = JobWorker | JobHandler | JobApp


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
