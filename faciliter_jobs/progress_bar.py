"""A progress bar for many jobs, in a terminal or a notebook, by rich (the `progress` extra)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .job import Job, JobStatus


def need_rich() -> None:
    """Raises ModuleNotFoundError, saying what to install."""
    try:
        import rich.progress  # noqa: F401
    except ModuleNotFoundError as error:
        error.msg = "progress=True needs rich: pip install 'faciliter-jobs[progress]'"
        raise


@contextmanager
def progress_bar(total: int, shown_as: str | None) -> Iterator[Callable[[Job], None]]:
    """Gives a function to call with each job that has ended. `shown_as` None: no bar."""
    if shown_as is None:
        yield lambda job: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[other]}"),
        TimeRemainingColumn(),
    )
    counts = dict.fromkeys((JobStatus.FAILED, JobStatus.CANCELLED), 0)
    with Progress(*columns) as bar:
        task = bar.add_task(shown_as, total=total, other="")

        def step(job: Job) -> None:
            if job.status in counts:
                counts[job.status] += 1
            other = ", ".join(f"{count:,} {status.value}" for status, count in counts.items() if count)
            bar.update(task, advance=1, other=other)

        yield step
