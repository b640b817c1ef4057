"""The end of the demo: what each job went through, and whether all that was promised is true."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import openpyxl
from rich.console import Console
from rich.text import Text

from .story import Attempt, Story


@dataclass
class Findings:
    """What was found wrong; nothing, when the demo has shown what it should."""

    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)


def check_workbook(story: Story, source: Path, written: Path | None, findings: Findings) -> None:
    """The workbook is there and has the header and as many rows as the CSV file."""
    if written is None or not written.is_file():
        findings.wrong.append(f"{story.name}: no workbook was written")
        return
    with source.open(encoding="utf-8", newline="") as file:
        records = list(csv.reader(file))
    book = openpyxl.load_workbook(written, read_only=True)
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    book.close()
    findings.expect(
        len(rows) == len(records) and list(rows[0]) == records[0],
        f"{story.name}: the workbook's rows aren't those of the CSV file",
    )


def print_stories(console: Console, stories: Sequence[Story], written: Mapping[str, Path]) -> None:
    _line(console, Text("\nWhat each job went through", "bold"))
    longest = max((len(story.name) for story in stories), default=0)
    for story in stories:
        _line(console, _headline(story, longest, written.get(story.job_id)))
        if len(story.attempts) > 1:
            for number, attempt in enumerate(story.attempts, start=1):
                _line(console, _attempt_line(number, attempt, story))


def _headline(story: Story, longest: int, path: Path | None) -> Text:
    state = story.job.status.value if story.job else "missing"
    attempts = len(story.attempts)
    line = Text.assemble(
        (f"  {story.name:<{longest}}  ", "bold"),
        (f"{state:<9}  ", "green" if story.was_completed else "red"),
        f"{(story.job.worker if story.job else None) or '':<8}  ",
        (f"{attempts} attempt{'s' if attempts != 1 else ' '}  ", "yellow" if attempts > 1 else ""),
    )
    if path is not None:
        line.append(f"xlsx {path.stat().st_size / 1000:.1f} kB", "dim")
    return line


def _attempt_line(number: int, attempt: Attempt, story: Story) -> Text:
    is_last = number == len(story.attempts)
    ended = attempt.error or ("completed" if is_last and story.was_completed else "ended unseen")
    style = "yellow" if attempt.error else "green"
    return Text.assemble(f"    {number}. ", f"{attempt.worker or '(not seen)'}  ", (ended, style))


def print_verdict(
    console: Console,
    stories: Sequence[Story],
    output: Path,
    seconds_to_take_over: float | None,
    findings: Findings,
) -> None:
    completed = sum(story.was_completed for story in stories)
    retried = sum(bool(story.failures) for story in stories)
    taken_over = sum(story.was_taken_over for story in stories)
    _line(console, Text(f"The workbooks are in {_short(output)}{os.sep}, a folder for each company.\n"))
    _line(
        console,
        Text(f"submitted {len(stories)}, completed {completed}, lost {len(stories) - completed}", "bold"),
    )
    _line(console, Text(f"{retried} failed at first and succeeded when tried again"))
    after = "" if seconds_to_take_over is None else f", {seconds_to_take_over:.1f} s after its end"
    _line(console, Text(f"{taken_over} taken over from the killed worker{after}"))
    for wrong in findings.wrong:
        _line(console, Text(f"WRONG: {wrong}", "bold red"))
    if not findings.wrong:
        _line(console, Text("every workbook read back with all its rows; doctor: no findings"))
        _line(console, Text("Nothing was lost.", "bold green"))


def _short(path: Path) -> Path:
    here, path = Path.cwd(), path.resolve()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
