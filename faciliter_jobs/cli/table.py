"""Jobs as a table in a terminal, or as tab-separated lines for another program."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ..job import Job
from .render import STYLES, clean

_HEADER = ("id", "status", "type", "company", "user", "progress", "attempt", "created")
_IN_A_TERMINAL = ("id", "status", "type", "company", "user", "done", "runs", "created")
_MAY_SHRINK = (2, 3, 4)  # type, company, user: who copies half an id finds no job
_LEAST = 4  # characters of them; in a terminal too narrow for that, lines go on in the next one


def table(jobs: Sequence[Job]) -> None:
    console = Console()
    if not console.is_terminal:
        for row in (_HEADER, *map(_row, jobs)):
            print(*row, sep="\t")
        return
    for line in lines_of(jobs, console.width) if jobs else ["no jobs"]:
        console.print(line, soft_wrap=True)


def lines_of(jobs: Sequence[Job], columns: int) -> list[Text]:
    """A header, and a line for each; only what may shrink is cut, with an ellipsis, to fit."""
    year = datetime.now(timezone.utc).strftime("%Y-")
    rows = [_row(job) for job in jobs]
    for row in rows:
        row[-1] = row[-1].removeprefix(year).replace("T", " ")
    widths = [max(map(cell_len, column)) for column in zip(_IN_A_TERMINAL, *rows)]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= columns else 1
    room = columns - gap * (len(widths) - 1) - sum(widths) + sum(widths[i] for i in _MAY_SHRINK)
    for i, share in zip(_MAY_SHRINK, _shares([widths[i] for i in _MAY_SHRINK], room)):
        widths[i] = share
    lines = [_line(_IN_A_TERMINAL, ["bold"] * len(widths), widths, gap)]
    for job, row in zip(jobs, rows):
        styles = [STYLES[job.status] if i == 1 else "" for i in range(len(widths))]
        lines.append(_line(row, styles, widths, gap))
    return lines


def _row(job: Job) -> list[str]:
    cells = (
        job.job_id, job.status.value, job.job_type, job.company_id or "-", job.user_id or "-",
        f"{job.progress}%", job.attempt, job.created_at[:19],
    )  # fmt: skip
    return [clean(cell) for cell in cells]


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """The narrow ones get what they want, and the wide ones the same each of what is left."""
    shares = list(wanted)
    narrow_first = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for done, i in enumerate(narrow_first):
        shares[i] = min(wanted[i], max(_LEAST, room // (len(wanted) - done)))
        room -= shares[i]
    return shares


def _line(cells: Sequence[str], styles: Sequence[str], widths: Sequence[int], gap: int) -> Text:
    line = Text()
    for cell, style, width in zip(cells, styles, widths):
        text = Text(cell, style)
        text.truncate(width, overflow="ellipsis", pad=True)
        line.append_text(text).append(" " * gap)
    line.rstrip()
    return line
