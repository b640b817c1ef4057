"""What its author needs to see of an error in a module that we have loaded."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from types import TracebackType

_OURS = (str(Path(__file__).parent.parent), str(Path(importlib.__file__).parent), "<frozen importlib")


def reason_of(error: BaseException) -> str:
    """In a line."""
    return traceback.format_exception_only(error)[-1].strip()


def traceback_of(error: BaseException) -> str:
    """With the module's own lines, and without how we came to load or call it."""
    whole, seen = error.__traceback__, set[int]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = _without_ours(link.__traceback__)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    if error.__traceback__ is None and not isinstance(error, SyntaxError):
        error.__traceback__ = whole  # none of the module's lines took part: the fault is ours
    return "".join(traceback.format_exception(error))


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
