"""Commands on the queue as a whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..scripts import Problem
from ..validate import MAX_LIMIT
from . import render
from .context import AsJson, opened

app = typer.Typer()


@app.command()
def stats(context: typer.Context, as_json: AsJson = False) -> None:
    """Show how many jobs are in which state, and who works on what."""
    with opened(context) as queue:
        found = queue.stats(MAX_LIMIT)  # all workers, or it couldn't say which types none of them serves
    if as_json:
        typer.echo(render.as_json({**asdict(found), "unserved": found.unserved}))
    else:
        render.stats(found, queue.config.location)


@app.command()
def doctor(
    context: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what is found; safe on a live queue.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that every job is where its record says. Exit code 1 when something is (still) off."""
    with opened(context) as queue:
        problems = queue.doctor(repair=repair)
    left = [problem for problem in problems if not problem.mended]
    if as_json:
        typer.echo(render.as_json([_finding(problem) for problem in problems]))
    else:
        for problem in problems:
            mended = f" -> {problem.mended}" if problem.mended else ""
            typer.echo(render.clean(f"{_named(problem)}{mended}"))
        typer.echo(_summary(len(problems), len(left), repair), err=bool(left))
    if left:
        raise typer.Exit(1)


def _named(problem: Problem) -> str:
    if problem.subject:
        return str(problem)
    # In a ring, the empty name stands for the jobs of no company.
    return f"{'no company' if problem.text.startswith('in ring:') else 'no name'}: {problem.text}"


def _finding(problem: Problem) -> dict[str, str]:
    return {"kind": problem.kind, "subject": problem.subject, "text": problem.text, "mended": problem.mended}


def _summary(found: int, left: int, repair: bool) -> str:
    findings = render.count(found, "finding") if found else "no findings"
    return f"{findings}, {found - left} mended" if repair and found else findings


@app.command()
def cleanup(
    context: typer.Context,
    older_than: Annotated[float, typer.Option(help="Seconds since they finished.")] = 86400,
) -> None:
    """Delete jobs that finished long ago, and those whose ttl has passed."""
    with opened(context) as queue:
        deleted = queue.cleanup_old_jobs(older_than)
    typer.echo(f"deleted {render.count(deleted, 'job')}")
