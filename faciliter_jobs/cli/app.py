"""The application: its global options, and the commands that the other files define."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from . import access, changes, jobs, server, submit, upkeep, worker
from .context import Options

app = typer.Typer(
    help="Submit jobs, look at them, and run workers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # boxes of our sources, with values that may be passwords
)
for group in (submit, jobs, changes, upkeep, worker, server, access):
    app.registered_commands += group.app.registered_commands


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(help="redis://, rediss://, unix:// or embedded://. Goes before the environment."),
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="Of the queue's keys. (default: jobs:)")] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The queue is the one of --url, else of JOB_QUEUE_URL and its kin, else that on
    localhost:6379, else a server of our own (embedded), which is started when needed.
    """
    context.obj = Options(url, prefix)
