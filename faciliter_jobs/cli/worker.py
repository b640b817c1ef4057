"""The command that runs jobs."""

from __future__ import annotations

import logging
import os
from typing import Annotated, Any

import typer

from ..errors import InvalidArgumentError
from ..handlers import JobHandler
from ..worker import JobWorker
from . import load
from .connection import connected, find_place
from .context import Options

app = typer.Typer()


@app.command()
def worker(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:OBJECT",
            show_default=False,
            help="A JobHandler or a JobWorker, or what returns one when called without arguments.",
        ),
    ],
    poll_interval: Annotated[float | None, typer.Option(help="Seconds. (default: 1)")] = None,
    max_retries: Annotated[int | None, typer.Option(help="(default: 3)")] = None,
    retry_delay: Annotated[float | None, typer.Option(help="Seconds. (default: 5)")] = None,
    lease: Annotated[
        float | None,
        typer.Option(help="Seconds after which a dead worker's jobs go to others. (default: 30)"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="(default: host, process and a random part)")] = None,
    max_jobs: Annotated[int | None, typer.Option(help="Stop after so many attempts.")] = None,
) -> None:
    """Run jobs until SIGTERM or Ctrl-C: the first ends it after the running job, the second at once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    chosen: Options = context.obj
    place = find_place(chosen.url, chosen.prefix)
    # By the environment, so that it holds for a worker that the module makes itself, whenever it
    # does, and for the processes that handlers start.
    os.environ.update(place.environment)
    options: dict[str, Any] = {
        "poll_interval": poll_interval,
        "max_retries": max_retries,
        "retry_delay": retry_delay,
        "lease": lease,
        "name": name,
    }
    given = {option: value for option, value in options.items() if value is not None}
    found = load.worker_or_handler(target)
    if isinstance(found, JobWorker):
        _refuse_options(given, target)
        found.start(max_jobs)
        return
    with connected(place) as queue:
        _serve(found, JobWorker(queue, **given), max_jobs)


def _serve(handler: JobHandler, worker: JobWorker, max_jobs: int | None) -> None:
    worker.register_handler(handler)
    worker.start(max_jobs)


def _refuse_options(given: dict[str, Any], target: str) -> None:
    if given:
        names = ", ".join("--" + option.replace("_", "-") for option in given)
        raise InvalidArgumentError(f"{names}: {target} is a JobWorker, which has its own")
