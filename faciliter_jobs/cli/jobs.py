"""Commands that look at single jobs, and the list of them."""

from __future__ import annotations

from typing import Annotated

import typer

from ..job import Job, JobStatus
from ..queue import RedisJobQueue
from . import render
from .context import NO_SUCH_JOB, TAKES_ID, AsJson, opened, refuse
from .table import table

app = typer.Typer()

JobId = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@app.command(context_settings=TAKES_ID)
def show(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show all of a job."""
    with opened(context) as queue:
        job = _find(queue, job_id)
    if as_json:
        typer.echo(render.as_json(job.to_dict()))
    else:
        render.details(job)


@app.command(context_settings=TAKES_ID)
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


def _find(queue: RedisJobQueue, job_id: str) -> Job:
    job = queue.get_job(job_id)
    return job if job is not None else refuse(f"{job_id}: {NO_SUCH_JOB}")
