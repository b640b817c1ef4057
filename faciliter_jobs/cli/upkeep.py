"""Commands on the queue as a whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from . import render
from .context import opened
from .jobs import AsJson

app = typer.Typer()


@app.command()
def stats(context: typer.Context, as_json: AsJson = False) -> None:
    """Show how many jobs are in which state, and who works on what."""
    with opened(context) as queue:
        found = queue.stats()
    if as_json:
        typer.echo(render.as_json({**asdict(found), "unserved": found.unserved}))
    else:
        render.stats(found, queue.config.location)


@app.command()
def doctor(context: typer.Context) -> None:
    """Check that every job is where its record says. Exit code 1 when something is off."""
    with opened(context) as queue:
        problems = queue.doctor()
    for problem in problems:
        typer.echo(render.clean(str(problem)))
    typer.echo(f"{len(problems)} findings" if problems else "no findings", err=bool(problems))
    if problems:
        raise typer.Exit(1)


@app.command()
def cleanup(
    context: typer.Context,
    older_than: Annotated[float, typer.Option(help="Seconds since they finished.")] = 86400,
) -> None:
    """Delete jobs that finished long ago, and those whose ttl has passed."""
    with opened(context) as queue:
        typer.echo(f"deleted {queue.cleanup_old_jobs(older_than)} jobs")
