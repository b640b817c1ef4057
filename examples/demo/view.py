"""What the spectator sees: a picture that repaints itself, or plain lines without a terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from faciliter_jobs import Job, JobStatus

from .story import Observer, Story
from .workers import WorkerProcess

_EVENTS = 5
_LOOKS = {
    JobStatus.PENDING: ("○", "yellow"),
    JobStatus.PROCESSING: ("●", "cyan"),
    JobStatus.COMPLETED: ("✓", "green"),
    JobStatus.FAILED: ("✗", "red"),
    JobStatus.CANCELLED: ("✗", "magenta"),
}
_COMPANY_STYLES = ("bright_blue", "bright_magenta")


class View(Protocol):
    def shown(self) -> AbstractContextManager[object]: ...

    def tell(self, style: str, text: str) -> None: ...

    def paint(self, observer: Observer, workers: Sequence[WorkerProcess]) -> None: ...


class PlainView:
    """For a log: what happens, one line each."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def shown(self) -> AbstractContextManager[object]:
        return nullcontext()

    def tell(self, style: str, text: str) -> None:
        now = datetime.now().strftime("%H:%M:%S")
        self._console.print(f"{now} {text}", soft_wrap=True, markup=False, highlight=False)

    def paint(self, observer: Observer, workers: Sequence[WorkerProcess]) -> None:
        return  # events are enough


class LiveView:
    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._events: deque[tuple[str, str, str]] = deque(maxlen=_EVENTS)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def shown(self) -> AbstractContextManager[object]:
        return self._live

    def tell(self, style: str, text: str) -> None:
        self._events.append((datetime.now().strftime("%H:%M:%S"), style, text))

    def paint(self, observer: Observer, workers: Sequence[WorkerProcess]) -> None:
        stories = list(observer.stories.values())
        dead = {worker.name for worker in workers if worker.was_killed}
        body = Group(self._jobs(stories, dead), self._workers(workers, stories), self._log())
        done, failed = (sum(story.is_over for story in stories), sum(bool(s.failures) for s in stories))
        footer = f"{done} of {len(stories)} done, {failed} tried again, {observer.elapsed:.0f} s"
        panel = Panel(
            body,
            title=f"[bold]faciliter-jobs[/] [dim]{self._title}[/]",
            subtitle=f"[dim]{footer}[/]",
            box=box.ROUNDED,
            border_style="blue",
            padding=(0, 1),
        )
        self._live.update(panel, refresh=True)

    def _jobs(self, stories: Sequence[Story], dead: set[str]) -> Table:
        table = Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
        wide = self._live.console.width >= 96
        table.add_column("company" if wide else "by", no_wrap=True)
        table.add_column("file", no_wrap=True, min_width=15)
        table.add_column("status", no_wrap=True, min_width=12)
        table.add_column("progress" if wide else "", no_wrap=True, width=12 if wide else 6)
        table.add_column("try", justify="right", no_wrap=True)
        table.add_column("worker", no_wrap=True, min_width=8)
        table.add_column("message", no_wrap=True, ratio=1, overflow="ellipsis")
        companies = sorted({story.company for story in stories})
        for story in stories:
            style = _COMPANY_STYLES[companies.index(story.company) % len(_COMPANY_STYLES)]
            table.add_row(
                Text(story.company, style), story.filename.removesuffix(".csv"), *_cells(story, dead)
            )
        return table

    def _workers(self, workers: Sequence[WorkerProcess], stories: Sequence[Story]) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row()
        for worker in workers:
            if worker.was_killed:
                state = Text("✗ killed (SIGKILL)", "bold red")
            elif worker.is_alive:
                state = Text("● alive", "green")
            else:
                state = Text("○ stopped", "dim")
            runs = [story.filename for story in stories if story.is_run_by(worker.name)]
            done = sum(s.was_completed and s.job is not None and s.job.worker == worker.name for s in stories)
            doing = "held " if worker.was_killed else "runs "
            table.add_row(
                Text(worker.name, "bold"),
                Text(f"pid {worker.pid}", "dim"),
                state,
                f"{done} done",
                Text(doing + ", ".join(runs) if runs else "", "red" if worker.was_killed else "cyan"),
            )
        return table

    def _log(self) -> Text:
        lines = Text(no_wrap=True, overflow="ellipsis")
        for now, style, text in [*self._events, *[("", "", "")] * (_EVENTS - len(self._events))]:
            lines.append("\n")
            lines.append(f"{now} ", "dim")
            lines.append(text, style)
        return lines


def _cells(story: Story, dead: set[str]) -> tuple[RenderableType, ...]:
    job = story.job
    if job is None:
        return "", "", "", "", ""
    sign, style = _LOOKS[job.status]
    message = Text(job.progress_message or "")
    if job.status is JobStatus.PROCESSING and job.worker in dead:
        sign, style, message = "!", "bold red", Text(f"waits for {job.worker}'s lease to end", "red")
    elif job.status is JobStatus.PENDING:
        message = _why_it_waits(job)
    elif job.status is JobStatus.COMPLETED:
        message = Text(f"{job.result['rows']} rows, {job.result['columns']} columns", "dim")
    elif job.status.is_terminal:
        message = Text(job.error or "", "red")
    return (
        Text(f"{sign} {job.status.value}", style),
        ProgressBar(total=100, completed=job.progress, complete_style=style, finished_style=style),
        Text(str(job.attempt or ""), "bold yellow" if job.attempt > 1 else ""),
        Text(job.worker or "", "bold red" if job.worker in dead and not job.status.is_terminal else ""),
        message,
    )


def _why_it_waits(job: Job) -> Text:
    error = (job.metadata or {}).get("last_error")
    if error is None:
        return Text("")
    wait = ""
    if job.due_at is not None:
        seconds = (datetime.fromisoformat(job.due_at) - datetime.now(timezone.utc)).total_seconds()
        wait = f"again in {seconds:.0f} s: " if seconds > 0.5 else "again now: "
    return Text(wait + error, "yellow")


def view_for(console: Console, title: str, *, plain: bool) -> View:
    encoding = (console.encoding or "").lower()
    if plain or not console.is_terminal or not encoding.startswith("utf"):
        return PlainView(console)
    return LiveView(console, title)
