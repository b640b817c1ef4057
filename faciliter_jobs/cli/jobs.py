"""Commands on single jobs, and the list of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InvalidArgumentError
from ..job import Job, JobStatus
from ..queue import RedisJobQueue
from ..scripts import Ending
from . import render
from .context import opened, refuse
from .table import table

app = typer.Typer()

# An id may begin with a hyphen.
_TAKES_ID = {"ignore_unknown_options": True}
JobId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

_WHY_NOT = {
    Ending.MISSING: "there is no such job",
    Ending.FINISHED: "it is finished",
    Ending.UNFINISHED: "it isn't finished",
}


@app.command()
def submit(
    context: typer.Context,
    job_type: Annotated[str, typer.Argument(metavar="TYPE", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="input_data, a JSON object: the text itself, @file, or - for stdin.")
    ] = None,
    company: Annotated[str | None, typer.Option(help="company_id.")] = None,
    user: Annotated[str | None, typer.Option(help="user_id.")] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds before it may start.")] = None,
    ttl: Annotated[float | None, typer.Option(help="Seconds that it is kept. (default: 86400)")] = None,
) -> None:
    """Submit a job, and print its id."""
    input_data = None if data is None else _json_object(data)
    with opened(context) as queue:
        typer.echo(queue.submit_job(job_type, input_data, company, user, delay=delay, ttl=ttl))


@app.command(context_settings=_TAKES_ID)
def show(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show all of a job."""
    with opened(context) as queue:
        job = _find(queue, job_id)
    if as_json:
        typer.echo(render.as_json(job.to_dict()))
    else:
        render.details(job)


@app.command(context_settings=_TAKES_ID)
def result(context: typer.Context, job_id: JobId) -> None:
    """Print a completed job's result as JSON."""
    with opened(context) as queue:
        job = _find(queue, job_id)
    if job.status is not JobStatus.COMPLETED:
        refuse(f"{job_id} has no result: it is {job.status.value}" + (f" ({job.error})" if job.error else ""))
    typer.echo(render.as_json(job.result))


@app.command("list")
def list_jobs(
    context: typer.Context,
    status: Annotated[JobStatus | None, typer.Option(help="Only these.")] = None,
    company: Annotated[str | None, typer.Option(help="Only this company_id's.")] = None,
    user: Annotated[str | None, typer.Option(help="Only this user_id's.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first; one line of tab-separated fields each when not to a terminal."""
    with opened(context) as queue:
        jobs = queue.list_jobs(status, company, user, limit)
    if as_json:
        typer.echo(render.as_json([job.to_dict() for job in jobs]))
    else:
        table(jobs)


@app.command(context_settings=_TAKES_ID)
def cancel(context: typer.Context, job_id: JobId) -> None:
    """Cancel a job that waits or runs."""
    with opened(context) as queue:
        _say(job_id, queue.cancel(job_id))


@app.command(context_settings=_TAKES_ID)
def retry(context: typer.Context, job_id: JobId) -> None:
    """Queue a failed or cancelled job again."""
    with opened(context) as queue:
        _say(job_id, queue.retry(job_id))


def _find(queue: RedisJobQueue, job_id: str) -> Job:
    job = queue.get_job(job_id)
    return job if job is not None else refuse(f"{job_id}: {_WHY_NOT[Ending.MISSING]}")


def _say(job_id: str, ending: Ending) -> None:
    if not ending.accepted:
        refuse(f"{job_id}: {_WHY_NOT.get(ending, ending.value)}")
    typer.echo(f"{job_id} is {ending.value}")


def _json_object(data: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if data == "-" else Path(data[1:]).read_text() if data[:1] == "@" else data
        value = json.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"--data: {error}") from error
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"--data: expected a JSON object, got a {type(value).__name__}")
    return value
