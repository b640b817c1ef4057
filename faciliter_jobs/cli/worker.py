"""The command that runs jobs."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..default import usable_config
from ..errors import InvalidArgumentError, JobQueueError, QueueRefusedError, QueueUnavailableError
from ..queue import RedisJobQueue
from ..supervisor.loop import supervise
from ..supervisor.settings import HANG_TIMEOUT, SHUTDOWN_TIMEOUT, Settings
from ..supervisor.single import run_here
from ..supervisor.target import worker_of
from ..supervisor.traces import reason_of, traceback_of
from ..worker import JobWorker
from .connection import Place, connected, find_place
from .context import Options, refuse

app = typer.Typer()

_EACH = "Each worker"
_MANY = "Many processes"
_OBSERVED = "Health"


@app.command()
def worker(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:OBJECT",
            show_default=False,
            help="A JobApp, a JobWorker or a JobHandler, or what returns one when called without arguments.",
        ),
    ],
    processes: Annotated[
        int,
        typer.Option("--processes", "-p", help="Workers, each a process of its own.", rich_help_panel=_MANY),
    ] = 1,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", help="Jobs at a time. (default: 1)", rich_help_panel=_EACH),
    ] = None,
    executor: Annotated[
        Literal["thread", "process", "asyncio"] | None,
        typer.Option(help="What runs them. (default: thread)", rich_help_panel=_EACH),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds that a job may run. (default: any)", rich_help_panel=_EACH),
    ] = None,
    poll_interval: Annotated[
        float | None,
        typer.Option(help="Seconds between looks for due retries. (default: 1)", rich_help_panel=_EACH),
    ] = None,
    max_retries: Annotated[
        int | None, typer.Option(help="Of a failed job. (default: 3)", rich_help_panel=_EACH)
    ] = None,
    retry_delay: Annotated[
        float | None, typer.Option(help="Seconds before a retry. (default: 5)", rich_help_panel=_EACH)
    ] = None,
    lease: Annotated[
        float | None,
        typer.Option(
            help="Seconds after which a dead worker's jobs go to others. (default: 30)", rich_help_panel=_EACH
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="(default: host, process and a random part)", rich_help_panel=_EACH)
    ] = None,
    max_jobs: Annotated[int | None, typer.Option(help="Stop after so many attempts.")] = None,
    shutdown_timeout: Annotated[
        float | None,
        typer.Option(help="Seconds that running jobs may take after SIGTERM. (default: 30)"),
    ] = None,
    hang_timeout: Annotated[
        float,
        typer.Option(
            help="Seconds without a turn of its loop after which a worker counts as hung and is replaced; "
            "0: never.",
            rich_help_panel=_MANY,
        ),
    ] = HANG_TIMEOUT,
    max_jobs_per_child: Annotated[
        int | None, typer.Option(help="Replace a process after about so many.", rich_help_panel=_MANY)
    ] = None,
    max_memory_per_child: Annotated[
        str | None,
        typer.Option(help="Replace a process that is larger, such as 512MB.", rich_help_panel=_MANY),
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew when a .py file changes.", rich_help_panel=_MANY)
    ] = False,
    health_port: Annotated[
        int | None, typer.Option(help="Serve /livez, /readyz and /healthz.", rich_help_panel=_OBSERVED)
    ] = None,
    health_host: Annotated[str, typer.Option(help="Where.", rich_help_panel=_OBSERVED)] = "127.0.0.1",
    ready_file: Annotated[
        Path | None,
        typer.Option(help="A file that is there while all workers serve jobs.", rich_help_panel=_OBSERVED),
    ] = None,
) -> None:
    """Run jobs until SIGTERM or Ctrl-C: the first lets running jobs end, the second gives them back.

    With several processes a supervisor replaces those that die or hang; SIGHUP replaces all of them,
    one at a time, and SIGUSR1 prints what they do.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options: dict[str, Any] = {
        "concurrency": concurrency,
        "executor": executor,
        "timeout": timeout,
        "poll_interval": poll_interval,
        "max_retries": max_retries,
        "retry_delay": retry_delay,
        "lease": lease,
        "name": name,
        "shutdown_timeout": shutdown_timeout,
    }
    settings = Settings(
        target=target,
        worker={option: value for option, value in options.items() if value is not None},
        processes=processes,
        shutdown_timeout=SHUTDOWN_TIMEOUT if shutdown_timeout is None else shutdown_timeout,
        hang_timeout=hang_timeout,
        max_jobs_per_child=max_jobs_per_child,
        max_memory_per_child=max_memory_per_child,
        health_host=health_host,
        health_port=health_port,
        ready_file=ready_file,
        reload=reload,
    )
    if settings.needs_supervisor and max_jobs is not None:
        raise InvalidArgumentError("--max-jobs: for one process alone; see --max-jobs-per-child")
    chosen: Options = context.obj
    place = find_place(chosen.url, chosen.prefix)
    # By the environment, so that it holds for a worker that the module makes itself, whenever it
    # does, and for the processes that are started.
    os.environ.update(place.environment)
    if settings.needs_supervisor:
        with _kept_up(place):
            code = supervise(settings)
        raise typer.Exit(code)
    with contextlib.ExitStack() as stack:

        def open_queue() -> RedisJobQueue:
            """Its server may be away: the worker waits for it."""
            queue = RedisJobQueue(usable_config("redis", place.config))
            return stack.enter_context(contextlib.closing(queue))

        try:
            run_here(_loaded(settings, open_queue), settings, max_jobs)
        except QueueRefusedError:
            raise
        except QueueUnavailableError as error:  # of what the module itself asked for
            # Not 2, by which systemd knows that it needn't be started again.
            refuse(f"error: {error}")


def _loaded(settings: Settings, open_queue: Callable[[], RedisJobQueue]) -> JobWorker:
    try:
        return worker_of(settings.target, settings.worker, open_queue)
    except JobQueueError:
        raise  # it says in one line what is wrong
    except (Exception, SystemExit) as error:  # a module may do anything, sys.exit() too
        refuse(f"{traceback_of(error)}error: can't load {settings.target}: {reason_of(error)}")


@contextlib.contextmanager
def _kept_up(place: Place) -> Iterator[None]:
    """An embedded server ends with its last user: the supervisor is one, whatever its workers do."""
    if place.config.embedded is None:
        yield
        return
    with connected(place):
        yield
