"""The command that keeps an embedded server up."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from ..config import JobConfig, is_configured
from ..embedded import default_directory, ensure_server, release_server
from ..errors import InvalidArgumentError
from ..queue import RedisJobQueue
from .context import Options, refuse

app = typer.Typer()

_LOOK_EVERY = 1.0  # seconds


@app.command()
def server(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Option(help="Of its data. (default: that of embedded://)", show_default=False)
    ] = None,
) -> None:
    """Run an embedded server until Ctrl-C, or join the one that runs; it stops with its last user."""
    home = directory or _configured_directory(context.obj) or default_directory()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    socket = ensure_server(home)
    typer.echo(f"server at unix://{socket}\ndata in {home}")
    custom = quote(str(home.resolve())) if home != default_directory() else ""
    typer.echo(f"export JOB_QUEUE_URL=embedded://{custom}")
    queue = RedisJobQueue(JobConfig(unix_socket=str(socket)))
    while not stop.wait(_LOOK_EVERY):
        if not queue.health_check():
            refuse("the server has ended")
    queue.close()
    release_server(home)


def _configured_directory(options: Options) -> Path | None:
    if options.url is None and not is_configured():
        return None
    config = JobConfig.from_env() if options.url is None else JobConfig.from_url(options.url)
    if config.embedded is None and options.url is not None:
        raise InvalidArgumentError(f"--url: {config.location} is not an embedded server's")
    return Path(config.embedded) if config.embedded else None
