"""Results as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .figures import Figure, Result


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def number(value: float) -> str:
    """Three or four digits that say something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> str:
    """A Markdown table that reads well as text too; `right` has an r for each column of numbers."""
    rows = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in [list(head), *rows]) for i in range(len(head))]
    numeric = [right[i : i + 1] == "r" for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(cells, widths, numeric)
        )
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if is_number else "-" * width for width, is_number in zip(widths, numeric)
    ]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def machine_table(machine: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in machine.items())


def ceilings_table(ceilings: Mapping[str, tuple[float, str]]) -> str:
    return table(
        ("ceiling", "value", "unit"),
        [(name, number(value), unit) for name, (value, unit) in ceilings.items()],
        "lrl",
    )


def ratio_of(figure: Figure) -> str:
    if figure.ratio is None:
        return ""
    noise = f" ±{figure.noise:.0%}" if figure.noise else ""
    return f"{number(figure.ratio)}x{noise} {figure.of}"


def _row(scenario: str, figure: Figure) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[figure.met]
    return (scenario, figure.text, number(figure.value), figure.unit, ratio_of(figure), figure.aim, met)


def markdown(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    rows = [_row(result.scenario, figure) for result in results for figure in result.figures]
    parts = [
        f"# Benchmarks, {about['date']}",
        f"`{about['command']}`",
        machine_table(about["machine"]),
        "## Ceilings of the same run",
        ceilings_table(about["ceilings"]),
        "## Figures",
        table(("scenario", "figure", "value", "unit", "ratio", "aim", "met"), rows, "llrl"),
    ]
    notes = [f"- {result.scenario}: {note}" for result in results for note in result.notes]
    failed = [f"- {result.scenario} FAILED: {result.error}" for result in results if result.error]
    return "\n\n".join([*parts, *(["\n".join(notes + failed)] if notes or failed else [])]) + "\n"


def write(results: Sequence[Result], about: Mapping[str, Any], out: Path) -> str:
    """results.json and results.md in `out`; returns the Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    data = {**about, "results": [result.as_dict() for result in results]}
    (out / "results.json").write_text(json.dumps(data, indent=2) + "\n", "utf-8")
    text = markdown(results, about)
    (out / "results.md").write_text(text, "utf-8")
    return text
