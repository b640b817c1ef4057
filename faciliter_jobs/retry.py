"""How long a failed job waits: pure functions."""

from __future__ import annotations

import random
from typing import Literal

Backoff = Literal["fixed", "exponential"]

LONGEST_DELAY = 3600.0


def delay_before(retry: int, base: float, backoff: Backoff = "fixed") -> float:
    """Seconds before retry number `retry` (from 1).

    fixed: always `base`. exponential: `base` doubled each time up to an hour, times a random factor
    from 0.5 to 1, so that jobs that failed together don't come back together.
    """
    if backoff == "fixed":
        return base
    return min(LONGEST_DELAY, base * 2.0 ** min(retry - 1, 60)) * random.uniform(0.5, 1)
