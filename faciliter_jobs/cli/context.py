"""What the commands share: the global options, and how they become an open queue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NoReturn, cast

import typer

from ..embedded import default_directory
from ..queue import RedisJobQueue
from .connection import Place, connected, find_place

# For commands that take ids: one may begin with a hyphen.
TAKES_ID = {"ignore_unknown_options": True}
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

NO_SUCH_JOB = "there is no such job"


@dataclass(frozen=True)
class Options:
    url: str | None
    prefix: str | None


def place_of(context: typer.Context) -> Place:
    """Says so on stderr when it is an embedded server that nobody asked for by name."""
    options = cast(Options, context.obj)
    place = find_place(options.url, options.prefix)
    if place.how == "embedded":
        logging.getLogger("faciliter_jobs.embedded").setLevel(logging.ERROR)  # it would say so again
        typer.secho(f"embedded server, data in {default_directory()}", dim=True, err=True)
    return place


@contextlib.contextmanager
def opened(context: typer.Context) -> Iterator[RedisJobQueue]:
    with connected(place_of(context)) as queue:
        yield queue


def refuse(message: str) -> NoReturn:
    """The answer is no: not found, or not in a state for it."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
