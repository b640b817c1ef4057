"""Commands that cancel jobs, and that give them a new life."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import typer

from .. import scripts, validate
from ..errors import InvalidArgumentError, JobQueueError
from ..queue import RedisJobQueue
from ..scripts import Ending
from .context import NO_SUCH_JOB, TAKES_ID, opened
from .render import count

app = typer.Typer()

_PAGE = 100  # whole records in a reply, of which the ids are all that is wanted
_STDIN = "-"
_OF_IDS = "One or more; - for those on stdin, one a line."

_WHY_NOT = {
    Ending.MISSING: NO_SUCH_JOB,
    Ending.FINISHED: "it is finished",
    Ending.UNFINISHED: "it isn't finished",
}
_WHY_NO_RETRY = {**_WHY_NOT, Ending.FINISHED: "it is completed"}  # of the ends, the only one that stays


@app.command(context_settings=TAKES_ID)
def cancel(
    context: typer.Context,
    job_ids: Annotated[list[str], typer.Argument(metavar="ID", help=_OF_IDS, show_default=False)],
) -> None:
    """Cancel jobs that wait or run."""
    ids = _read(job_ids)
    with opened(context) as queue:
        _each(ids, queue.cancel, _WHY_NOT)


@app.command(context_settings=TAKES_ID)
def retry(
    context: typer.Context,
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help=_OF_IDS, show_default=False)
    ] = None,
    status: Annotated[
        Literal["failed", "cancelled"] | None, typer.Option(help="Instead of ids: all of this status.")
    ] = None,
    company: Annotated[str | None, typer.Option(help="Only this company_id's, with --status.")] = None,
    user: Annotated[str | None, typer.Option(help="Only this user_id's, with --status.")] = None,
) -> None:
    """Queue failed or cancelled jobs again."""
    for option, value in (("--company", company), ("--user", user)):
        if value is not None and status is None:
            raise InvalidArgumentError(f"{option}: only with --status")
    if not job_ids and status is None:
        raise InvalidArgumentError("ID: give ids, - for those on stdin, or --status")
    if job_ids and status is not None:
        raise InvalidArgumentError("ID, --status: give one of them, not both")
    ids = _read(job_ids or [])
    with opened(context) as queue:
        if status is None:
            _each(ids, queue.retry, _WHY_NO_RETRY)
        else:
            _retry_all(queue, _ids_of(queue, status, company, user))


def _read(given: list[str]) -> list[str]:
    """With those on stdin in the hyphen's place. Nothing is done when one of them can be no id."""
    ids: list[str] = []
    try:
        for job_id in given:
            ids += _lines_of_stdin() if job_id == _STDIN else [job_id]
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"stdin: {error}") from error
    return [validate.job_id(job_id) for job_id in ids]


def _lines_of_stdin() -> list[str]:
    lines = (line.rstrip("\r\n") for line in sys.stdin)
    return [line for line in lines if line]


def _each(ids: list[str], change: Callable[[str], Ending], why_not: dict[Ending, str]) -> None:
    refused = False
    for job_id in ids:
        ending = change(job_id)
        if ending.accepted:
            typer.echo(f"{job_id} is {ending.value}")
        else:
            typer.echo(f"{job_id}: {why_not.get(ending, ending.value)}", err=True)
            refused = True
    if refused:
        raise typer.Exit(1)


def _retry_all(queue: RedisJobQueue, ids: Iterator[str]) -> None:
    retried = 0
    try:
        for job_id in ids:
            retried += queue.retry(job_id).accepted  # else somebody was faster
    except (JobQueueError, KeyboardInterrupt):
        if retried:
            typer.echo(f"retried {count(retried, 'job')}")
        raise
    typer.echo(f"retried {count(retried, 'job')}")


def _ids_of(queue: RedisJobQueue, status: str, company: str | None, user: str | None) -> Iterator[str]:
    """The newest first, each once: a job that is retried and fails again meanwhile isn't met again."""
    company, user = validate.tenant(company, "company_id"), validate.tenant(user, "user_id")
    before: int | None = None
    while True:
        page = queue.transport.run(
            scripts.list_jobs(
                queue.tag,
                company=company,
                user=user,
                before_seq=before,
                limit=_PAGE,
                max_bytes=scripts.MAX_PAGE_BYTES,
                statuses=[status],
            )
        )
        yield from (job_id for job_id, _ in page.jobs)
        before = page.next_before
        if before is None:
            return
