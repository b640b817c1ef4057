"""Exit codes: 0 when nothing was lost, 1 when something was, 2 when it could not be played."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from examples.csv_to_xlsx.files import DATA, OUTPUT
from faciliter_jobs import JobQueueError, RedisJobQueue, set_job_queue
from faciliter_jobs.cli.connection import Place, connect, find_place

from .play import NotFinished, Play
from .report import print_stories, print_verdict
from .view import view_for
from .workers import WorkerDied


def main() -> int:
    arguments = _arguments()
    logging.getLogger("faciliter_jobs.embedded").setLevel(logging.ERROR)  # the title says where
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        # A prefix of its own: neither another run nor your jobs are touched.
        place = find_place(prefix=f"demo-{os.urandom(4).hex()}:")
        queue = connect(place)
        try:
            return _play(arguments, Console(), place, queue)
        finally:
            _leave(queue, place, keep=arguments.keep)
    except KeyboardInterrupt:
        print("\ninterrupted; the workers are stopped", file=sys.stderr)
        return 130
    except (JobQueueError, NotFinished, WorkerDied, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _play(arguments: argparse.Namespace, console: Console, place: Place, queue: RedisJobQueue) -> int:
    title = f"on {_where(place, queue)}"
    view = view_for(console, title, plain=arguments.plain)
    view.tell("", title)
    play = Play(
        queue=queue,
        view=view,
        folder=DATA,
        output=arguments.output,
        environment=place.environment,
        step_seconds=arguments.step_seconds,
        lease=arguments.lease,
    )
    set_job_queue(queue)  # what submit_job and its kin use
    try:
        play.run()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave workers behind
        play.stop()
    print_stories(console, play.stories, play.written)
    print_verdict(console, play.stories, arguments.output, play.seconds_to_take_over, play.findings)
    return 1 if play.findings.wrong else 0


def _where(place: Place, queue: RedisJobQueue) -> str:
    if place.how == "embedded":
        return "an embedded server"
    named = " (from the environment)" if place.how == "environment" else ""
    return f"{place.config.location if place.config.embedded is not None else queue.config.location}{named}"


def _leave(queue: RedisJobQueue, place: Place, *, keep: bool) -> None:
    """Deletes what this run has stored."""
    set_job_queue(None)
    if keep:
        print(f"kept: faciliter-jobs --prefix {place.config.prefix} list")
    else:
        try:
            _delete_keys(queue)
        except JobQueueError as error:
            print(f"the run's keys {queue.tag}* are left behind: {error}", file=sys.stderr)
    queue.close()


def _delete_keys(queue: RedisJobQueue) -> None:
    cursor: Any = 0
    while True:
        cursor, names = queue.transport.command("SCAN", cursor, "MATCH", f"{queue.tag}*", "COUNT", 1000)
        if names:
            queue.transport.command("UNLINK", *names)
        if int(cursor) == 0:
            return


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="CSV files of two companies become XLSX files by the work of two processes, one of "
        "which is killed on the way.",
    )
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the XLSX files go")
    parser.add_argument("--step-seconds", type=float, default=0.25, help="pace of each job's ten steps")
    parser.add_argument("--lease", type=float, default=2.0, help="seconds until a dead worker's job is free")
    parser.add_argument("--plain", action="store_true", help="lines instead of the repainted picture")
    parser.add_argument("--keep", action="store_true", help="leave the jobs in the queue, to look at them")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
