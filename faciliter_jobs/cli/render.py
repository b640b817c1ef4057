"""Jobs and figures as text, for a terminal or for another program."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from ..job import Job, JobStatus
from ..scripts import Stats

STYLES = {
    JobStatus.PENDING: "yellow",
    JobStatus.PROCESSING: "cyan",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "magenta",
}
_LONGEST_VALUE = 200  # characters of a packed field that `show` prints


def clean(value: object) -> str:
    """On one line and without control characters: what is stored may not steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in str(value))


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def as_json(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False, indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def details(job: Job) -> None:
    console = Console(highlight=False)
    for name, value in job.to_dict().items():
        if value is None or (name == "due_at" and job.status.is_terminal):
            continue
        style = STYLES[job.status] if name == "status" else ""
        if name == "traceback":
            text = "\n" + "\n".join("  " + clean(line) for line in value.splitlines())
        else:
            shown = value if isinstance(value, (str, int, float)) else _one_line(value)
            text = clean(shown)
        console.print(Text.assemble((f"{name:<17}", "bold"), (_shortened(text, name), style)), soft_wrap=True)


def _one_line(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _shortened(text: str, name: str) -> str:
    if name not in ("input_data", "result", "metadata") or len(text) <= _LONGEST_VALUE:
        return text
    return f"{text[:_LONGEST_VALUE]}... ({len(text)} characters; --json shows all)"


def stats(found: Stats, location: str) -> None:
    console = Console(highlight=False)

    def line(text: str) -> None:
        console.print(text, soft_wrap=True)

    line(f"[bold]queue[/] {escape(clean(location))}")
    counts = [f"[{STYLES[status]}]{found.counts.get(status, 0)}[/] {status.value}" for status in JobStatus]
    line("   ".join(counts))
    line(f"{found.scheduled} of the pending due later, {found.leased} in a worker's hands")
    waiting = sorted(set(found.waiting) - set(found.unserved))
    if waiting:
        line(f"[bold]waiting types[/] {escape(clean(', '.join(waiting)))}")
    if found.unserved:
        line(f"[bold red]no live worker serves[/] {escape(clean(', '.join(found.unserved)))}")
    line(f"[bold]workers[/] {len(found.workers)} alive, {found.parked} of them waiting for a job")
    for worker in found.workers:
        types = ", ".join(worker.info.get("types") or ["every type"])
        line(f"  {escape(clean(worker.name))} [dim]serves[/] {escape(clean(types))}")
