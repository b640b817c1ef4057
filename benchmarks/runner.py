"""Runs scenarios on one server and collects what the report needs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from . import ceilings, machine, report
from .bench import Bench
from .figures import Result, median
from .scenarios import SCENARIOS
from .server import Server


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_scenarios(bench: Bench, names: Sequence[str]) -> list[Result]:
    """A scenario that fails is a result with an error: the others still run."""
    results = []
    for name in names:
        say(f"{name}: {SCENARIOS[name].text}")
        started = time.monotonic()
        try:
            result = SCENARIOS[name].run(bench)
        except Exception as error:
            result = Result(name, [], error=f"{type(error).__name__}: {error}")
            say(f"  FAILED: {result.error}")
        result.seconds = time.monotonic() - started
        for figure in result.figures:
            missed = f"MISSES {figure.aim}" if figure.met is False else ""
            parts = (f"{figure.unit:<12} {figure.text}", report.ratio_of(figure), missed)
            say(f"  {report.number(figure.value):>9} " + "  ".join(part for part in parts if part))
        results.append(result)
    return results


def about(bench: Bench, server: Server, command: str) -> dict[str, Any]:
    """Date, machine, versions, and the ceilings: medians of all that were interleaved."""
    info: Any = bench.client.info("server")
    for _ in range(3):
        bench.lpush()
        bench.ping()
        bench.plain_script()
    limits = {
        "LPUSH loop: bare redis-py, 100 bytes": (median(bench.lpush_rates), "1/s"),
        "PING round trip, redis-py": (median(bench.pings), "ms"),
        "spaced PING: one every 5 ms": (ceilings.ping_ms(bench.client, 100, gap=0.005), "ms"),
        "plain script of 10 commands, server time": (median(bench.script_times), "us"),
    }
    for name, rate in ceilings.redis_benchmark(server).items():
        limits[f"redis-benchmark {name}"] = (rate, "1/s")
    return {
        "date": report.now(),
        "command": command,
        "machine": machine.describe(info, server.description),
        "load average before": round(os.getloadavg()[0], 2),
        "ceilings": limits,
    }
