"""The command that prints the server's access rules for the roles of a queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, cast

import typer

from .. import acl as rules
from ..config import JobConfig
from .context import Options

app = typer.Typer()


@app.command()
def acl(
    context: typer.Context,
    role: Annotated[
        list[str], typer.Option(help=f"{', '.join(rules.ROLES)}; several together.", show_default=False)
    ],
    user: Annotated[str | None, typer.Option(help="Of the server. (default: the roles' names)")] = None,
) -> None:
    """Print the ACL SETUSER command that gives a user what these roles need, and no more.

    It leaves the user's passwords alone; a new one needs one: ACL SETUSER name >password.
    """
    options = cast(Options, context.obj)
    config = JobConfig.from_env() if options.url is None else JobConfig.from_url(options.url)
    if options.prefix is not None:
        config = replace(config, prefix=options.prefix)
    typer.echo(rules.setuser(user or "-".join(role), role, config))
