"""How a worker is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    running: bool  # between the begin and the end of `start`
    stopping: bool  # it claims no more
    # Seconds since the loop that fetches jobs last turned: it does so at least once per poll interval,
    # whatever the connection. 0 while a handler runs in the loop's own thread; when its time is over and it
    # goes on, the seconds since then. That, not an answered PING, says that the worker works.
    turned_ago: float
    connected: bool  # it has begun to serve, and its last call was answered
    active: int  # running jobs
    done: int  # attempts ended since `start`
    abandoned_threads: int  # handlers that have timed out and still run
