"""What `import faciliter_jobs` adds to a program's start; most of it is redis-py's."""

from __future__ import annotations

import subprocess
import sys

from ..bench import Bench, against
from ..figures import Result
from ..workers import ROOT
from .registry import scenario

_TIMED = "import time; s = time.perf_counter(); import {}; print((time.perf_counter() - s) * 1000)"


def _import_ms(module: str) -> float:
    command = [sys.executable, "-c", _TIMED.format(module)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


@scenario("imports", "import faciliter_jobs, in fresh processes, to import redis")
def imports(bench: Bench) -> Result:
    _import_ms("faciliter_jobs")  # compiles it
    got = against(
        lambda: _import_ms("faciliter_jobs"), lambda: _import_ms("redis"), bench.size(7, 21),
        "ms", "lower", "import redis",
    )  # fmt: skip
    return Result("imports", [got.figure("import", "import faciliter_jobs, in a fresh process")])
