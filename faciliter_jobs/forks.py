"""What forgets, in a forked child, what belongs to its parent."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def call_in_child(method: Callable[[], None]) -> None:
    """Has a bound method called in each forked child, while its object lives."""
    kept = weakref.WeakMethod(method)

    def call() -> None:
        alive = kept()
        if alive is not None:
            alive()

    os.register_at_fork(after_in_child=call)
