"""Whether something got slower, or costs more, than it was recorded.

Compared are ratios to ceilings of the same run, Redis commands a job and bytes a job: never seconds,
which belong to one machine and one hour. `recorded.json` has a record for each server that was
recorded on, as bytes and ratios differ between servers; commands a job don't.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from . import runner
from .bench import Bench
from .figures import Figure, Guarded, Result, median, noise_of
from .machine import describe, server_line
from .report import now, number
from .runner import say
from .server import running_server

RECORDED = Path(__file__).resolve().parent / "recorded.json"

# All that have guarded figures.
SCENARIOS = ("submit", "bulk", "drain", "latency", "lifecycle", "memory", "imports")

# How much worse a figure may be, as a share. Counts vary with what falls into the measured time
# (a heartbeat, a claim that finds nothing), bytes with when the server's tables grow.
TOLERANCES: dict[Guarded, float] = {"ratio": 0.25, "count": 0.02, "bytes": 0.03}
_TRIES = 3

Verdict = Literal["same", "better", "worse", "noisy", "new", "missing"]


@dataclass(frozen=True, slots=True)
class Guard:
    """A guarded figure, as recorded or as measured."""

    text: str
    kind: Guarded
    better: str
    value: float  # the ratio, count or bytes that is compared
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    verdict: Verdict
    recorded: Guard | None
    measured: Guard | None
    change: float = 0.0  # for the worse, as a share; negative: for the better

    def __str__(self) -> str:
        guard = self.measured or self.recorded
        assert guard is not None
        x = "x" if guard.kind == "ratio" else ""
        was = "" if self.recorded is None else f"recorded {number(self.recorded.value)}{x}"
        is_now = "" if self.measured is None else f"now {number(self.measured.value)}{x}"
        how = f"{abs(self.change):.0%} {'worse' if self.change > 0 else 'better'}" if was and is_now else ""
        return f"{self.verdict:<8} {self.name}: {guard.text}: " + ", ".join(filter(None, (was, is_now, how)))


# --- pure: figures in, findings out ---------------------------------------------------------------


def guards_of(results: Iterable[Result]) -> dict[str, Guard]:
    return {
        f"{result.scenario}/{figure.key}": _guard_of(figure)
        for result in results
        for figure in result.figures
        if figure.guarded
    }


def _guard_of(figure: Figure) -> Guard:
    value = figure.value
    if figure.guarded == "ratio":
        if figure.ratio is None:
            raise ValueError(f"{figure.key}: guarded by its ratio, and has none")
        value = figure.ratio
    return Guard(figure.text, figure.guarded, figure.better, value, figure.noise)


def worsening(recorded: Guard, measured: Guard) -> float:
    """By which share it got worse; negative: better. A halved rate is 100 % worse, as a doubled time is."""
    before, after = recorded.value, measured.value
    if recorded.better == "higher":
        before, after = after, before
    if before == after:
        return 0.0
    return after / before - 1 if before else float("inf")


def judge(name: str, recorded: Guard | None, measured: Guard | None, tolerance: float) -> Finding:
    if recorded is None or measured is None:
        return Finding(name, "new" if recorded is None else "missing", recorded, measured)
    change = worsening(recorded, measured)
    noise = 2 * (recorded.noise**2 + measured.noise**2) ** 0.5  # of two medians, 19 times in 20
    verdict: Verdict = "same"
    if change > tolerance:
        verdict = "noisy" if change - noise <= tolerance else "worse"
    elif change < -tolerance / (1 + tolerance):
        verdict = "better"
    return Finding(name, verdict, recorded, measured, change)


def compare(
    recorded: Mapping[str, Guard],
    measured: Mapping[str, Guard],
    tolerances: Mapping[Guarded, float] = TOLERANCES,
) -> list[Finding]:
    """One for each guarded figure of either, the worst first."""
    findings = []
    for name in {**recorded, **measured}:
        was, is_now = recorded.get(name), measured.get(name)
        kind = (was or measured[name]).kind
        findings.append(judge(name, was, is_now, tolerances[kind]))
    return sorted(findings, key=lambda finding: -finding.change)


def is_bad(finding: Finding) -> bool:
    """A figure that was not measured is bad: else a scenario that fails would pass."""
    return finding.verdict in ("worse", "missing")


def combine(tries: Sequence[Mapping[str, Guard]], choose: Callable[[list[Guard]], Guard]) -> dict[str, Guard]:
    """Of several measurements of each figure one."""
    seen: dict[str, list[Guard]] = {}
    for one in tries:
        for name, guard in one.items():
            seen.setdefault(name, []).append(guard)
    return {name: choose(guards) for name, guards in seen.items()}


def best(guards: list[Guard]) -> Guard:
    return (max if guards[0].better == "higher" else min)(guards, key=lambda guard: guard.value)


def middle(guards: list[Guard]) -> Guard:
    """The median, as uncertain as the measurements differ."""
    values = [guard.value for guard in guards]
    noise = max(median([guard.noise for guard in guards]), noise_of(values))
    return replace(guards[0], value=median(values), noise=noise)


def check_until_sure(
    measure: Callable[[Sequence[str]], Mapping[str, Guard]],
    recorded: Mapping[str, Guard],
    tolerances: Mapping[Guarded, float] = TOLERANCES,
) -> list[Finding]:
    """Measures the scenarios that are recorded; and again, for the best of several tries, those in
    which something seems worse: noise goes away, a loss stays."""
    scenarios = _scenarios_in(recorded)
    tries: list[Mapping[str, Guard]] = []
    while True:
        tries.append(measure(scenarios))
        findings = compare(recorded, combine(tries, best), tolerances)
        unsure = {finding.name for finding in findings if is_bad(finding) or finding.verdict == "noisy"}
        if not unsure or len(tries) == _TRIES:
            return findings
        scenarios = _scenarios_in(unsure)


def _scenarios_in(names: Iterable[str]) -> list[str]:
    wanted = {name.partition("/")[0] for name in names}
    return [name for name in SCENARIOS if name in wanted]


# --- the record -----------------------------------------------------------------------------------


def load(file: Path) -> dict[str, dict[str, Any]]:
    """By server."""
    data: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return data


def recorded_for(server: str, records: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Guard], str]:
    """What to compare with on this server, and a remark. On a server without a record: the counts
    of another's."""
    if not records:
        return {}, ""
    source = server if server in records else next(iter(records))
    guards = {name: Guard(**fields) for name, fields in records[source]["figures"].items()}
    if source == server:
        return guards, f"recorded {records[source]['date']}"
    counts = {name: guard for name, guard in guards.items() if guard.kind == "count"}
    return counts, f"nothing is recorded on {server}: only commands a job are compared, with {source}'s"


def record(file: Path, server: str, machine: Mapping[str, str], guards: Mapping[str, Guard]) -> None:
    records = load(file)
    records[server] = {"date": now(), "machine": dict(machine), "figures": _rounded(guards)}
    _write(file, records)


def record_counts(file: Path, server: str, guards: Mapping[str, Guard]) -> None:
    """Anew what is the same on every machine; the ratios stay, with their date and machine."""
    records = load(file)
    records[server]["counts_date"] = now()
    records[server]["figures"].update(_rounded({n: g for n, g in guards.items() if g.kind != "ratio"}))
    _write(file, records)


def _rounded(guards: Mapping[str, Guard]) -> dict[str, dict[str, Any]]:
    return {
        name: {**asdict(guard), "value": round(guard.value, 4), "noise": round(guard.noise, 4)}
        for name, guard in guards.items()
    }


def _write(file: Path, records: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(records, indent=2) + "\n", "utf-8")


# --- the command ----------------------------------------------------------------------------------


class Measuring:
    """Runs scenarios for their guarded figures; remembers whether one failed."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.failed = False

    def __call__(self, scenarios: Sequence[str]) -> dict[str, Guard]:
        results = runner.run_scenarios(self._bench, scenarios)
        self.failed = any(result.error for result in results)
        return guards_of(results)


def check(options: argparse.Namespace) -> int:
    """0: nothing got worse, or recorded; 1: something did, or failed; 2: nothing to compare with."""
    file: Path = options.recorded
    with running_server(options.url, options.server) as server:
        bench = Bench(server)
        info: Any = bench.client.info("server")
        measure = Measuring(bench)
        try:
            if options.record == "all":
                return _record(file, measure, info, server.description)
            recorded, remark = recorded_for(server_line(info), load(file))
            if options.record == "counts":
                return _record_counts(file, measure, server_line(info), recorded)
            if not recorded:
                say(f"{file} has nothing to compare with: run `check --record` first")
                return 2
            findings = check_until_sure(measure, recorded, {**TOLERANCES, "ratio": options.tolerance})
        finally:
            bench.close()
    return _tell(findings, remark)


def _record(file: Path, measure: Measuring, info: dict[str, Any], description: str) -> int:
    tries = []
    for i in range(_TRIES):
        say(f"measurement {i + 1} of {_TRIES}")
        tries.append(measure(SCENARIOS))
        if measure.failed:
            say("not recorded")
            return 1
    guards = combine(tries, middle)
    record(file, server_line(info), describe(info, description), guards)
    say(f"{len(guards)} figures recorded on {server_line(info)} in {file}")
    return 0


def _record_counts(file: Path, measure: Measuring, server: str, recorded: Mapping[str, Guard]) -> int:
    if server not in load(file):
        say(f"{file} has no record of {server} to bring up to date")
        return 2
    measured = measure(_scenarios_in(name for name, guard in recorded.items() if guard.kind != "ratio"))
    if measure.failed:
        say("not recorded")
        return 1
    record_counts(file, server, measured)
    say(f"commands and bytes a job recorded on {server} in {file}")
    return 0


def _tell(findings: Sequence[Finding], remark: str) -> int:
    print(remark)
    for finding in findings:
        if finding.verdict not in ("same", "new"):
            print(finding)
    bad = sum(is_bad(finding) for finding in findings)
    compared = sum(finding.recorded is not None for finding in findings)
    print(f"{compared} figures compared: " + (f"{bad} got worse" if bad else "none got worse"))
    return 1 if bad else 0
