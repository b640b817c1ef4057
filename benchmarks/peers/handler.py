"""The job of all Python peers: it does nothing but be counted. Its result is small and kept.

Settings come by environment, as the peers start their handlers each in its own way, in forks too.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from ..tally import Tally, number_of, read_tally

RESULT = {"ok": True}

_note: Callable[[str], None] | None = None
_lock = threading.Lock()
_hangs = os.environ.get("BENCH_HANG") == "1"


def run(text: str) -> dict[str, bool]:
    global _note
    if _note is None:
        with _lock:  # the first jobs of several threads: one count for all
            if _note is None:
                _note = Tally(os.environ["BENCH_TALLY"], int(os.environ["BENCH_EVERY"])).noter()
    _note(text)
    if _hangs and sum(seen.number == number_of(text) for seen in read_tally(os.environ["BENCH_TALLY"])) == 1:
        time.sleep(600)  # its first attempt, which will be killed
    return RESULT
