"""The command that submits a job."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InvalidArgumentError
from .context import opened

app = typer.Typer()


@app.command()
def submit(
    context: typer.Context,
    job_type: Annotated[str, typer.Argument(metavar="TYPE", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="input_data, a JSON object: the text itself, @file, or - for stdin.")
    ] = None,
    company: Annotated[str | None, typer.Option(help="company_id.")] = None,
    user: Annotated[str | None, typer.Option(help="user_id.")] = None,
    session: Annotated[str | None, typer.Option(help="session_id.")] = None,
    metadata: Annotated[str | None, typer.Option(help="metadata, a JSON object, given likewise.")] = None,
    ttl: Annotated[float | None, typer.Option(help="Seconds that it is kept. (default: 86400)")] = None,
    job_id: Annotated[
        str | None,
        typer.Option(help="One of your own; when there is such a job already, nothing is changed."),
    ] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds before it may start.")] = None,
    run_at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="When it may start: 2030-01-31T08:00:00Z, or seconds since 1970 (Unix time)."
        ),
    ] = None,
    max_retries: Annotated[
        int | None, typer.Option(help="More attempts when it fails. (default: the worker's)")
    ] = None,
    retry_delay: Annotated[
        float | None, typer.Option(help="Seconds before a retry. (default: the worker's)")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that an attempt may take. (default: the worker's)")
    ] = None,
) -> None:
    """Submit a job, and print its id."""
    if data == metadata == "-":
        raise InvalidArgumentError("--metadata: stdin is the --data's already")
    fields: dict[str, Any] = {
        "input_data": None if data is None else _json_object("--data", data),
        "company_id": company,
        "user_id": user,
        "session_id": session,
        "metadata": None if metadata is None else _json_object("--metadata", metadata),
        "ttl": ttl,
        "job_id": job_id,
        "delay": delay,
        "run_at": None if run_at is None else _time(run_at),
        "max_retries": max_retries,
        "retry_delay": retry_delay,
        "timeout": timeout,
    }
    with opened(context) as queue:
        typer.echo(queue.submit_job(job_type, **fields))


def _json_object(option: str, given: str) -> dict[str, Any]:
    try:
        value = json.loads(_text(given))
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"{option}: {error}") from error
    except RecursionError as error:
        raise InvalidArgumentError(f"{option}: nested too deep") from error
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"{option}: expected a JSON object, got a {type(value).__name__}")
    return value


def _text(given: str) -> str:
    if given == "-":
        return sys.stdin.read()
    return Path(given[1:]).read_text() if given[:1] == "@" else given


def _time(given: str) -> datetime | float:
    """What is wrong with a time that can be read is said by submit_job."""
    try:
        return float(given)
    except ValueError:
        pass
    try:
        # Python 3.10 knows no Z.
        return datetime.fromisoformat(given[:-1] + "+00:00" if given[-1:] in ("Z", "z") else given)
    except ValueError as error:
        raise InvalidArgumentError(
            f"--run-at: {given!r} is neither an ISO 8601 time, such as 2030-01-31T08:00:00Z, nor a Unix time"
        ) from error
