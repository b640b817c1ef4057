"""What a scenario measures with: the server, sizes for a short or a full run, rounds with ceilings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import redis

from faciliter_jobs import JobSpec, RedisJobQueue

from . import ceilings
from .figures import Against, Better, median, noise_of
from .server import Server
from .tally import payload

T = TypeVar("T")

_CHUNK = 1000  # jobs in one submit_jobs


class Bench:
    def __init__(self, server: Server, *, full: bool = False) -> None:
        self.server = server
        self.full = full
        self.client = server.client()
        self.lpush_rates: list[float] = []
        self.pings: list[float] = []
        self.script_times: list[float] = []
        self._aside: dict[int, redis.Redis] = {}

    def size(self, short: T, full: T) -> T:
        return full if self.full else short

    def queue(self) -> RedisJobQueue:
        """A connected queue on an empty database."""
        self.client.flushdb()
        queue = RedisJobQueue(self.server.config)
        queue.connect()
        return queue

    def queue_aside(self, number: int) -> RedisJobQueue:
        """A connected queue in another empty database of the server, number 1 and on, so that queues
        of several sizes can be measured in turn."""
        config = replace(self.server.config, db=self.server.config.db + number)
        client = redis.Redis(
            config.host, config.port, config.db, config.password, username=config.username,
            unix_socket_path=config.unix_socket, ssl=config.ssl,
        )  # fmt: skip
        if number not in self._aside:
            if client.dbsize():
                raise ValueError(f"database {config.db} is not empty: this scenario needs it too")
            self._aside[number] = client
        self._aside[number].flushdb()
        queue = RedisJobQueue(config)
        queue.connect()
        return queue

    def close(self) -> None:
        for client in (self.client, *self._aside.values()):
            client.flushdb()
            client.close()

    # --- ceilings, interleaved --------------------------------------------------------------------

    def lpush(self, count: int = 500) -> float:
        self.lpush_rates.append(ceilings.lpush_rate(self.client, count))
        return self.lpush_rates[-1]

    def ping(self) -> float:
        self.pings.append(ceilings.ping_ms(self.client))
        return self.pings[-1]

    def plain_script(self) -> float:
        self.script_times.append(ceilings.script_us(self.client))
        return self.script_times[-1]

    def against_lpush(
        self, measure: Callable[[], float], rounds: int, *, unit: str = "jobs/s", count: int = 500
    ) -> Against:
        """For rates. count: of the LPUSH loop, more of it for a measurement that takes longer."""
        return against(measure, lambda: self.lpush(count), rounds, unit, "higher", "LPUSH loop")

    def against_ping(self, measure: Callable[[], float], rounds: int) -> Against:
        """For milliseconds."""
        return against(measure, self.ping, rounds, "ms", "lower", "PING round trip")

    def against_spaced_ping(self, measure: Callable[[], float], rounds: int) -> Against:
        """For milliseconds in an idle system."""

        def ceiling() -> float:
            return ceilings.ping_ms(self.client, 50, gap=0.005)

        return against(measure, ceiling, rounds, "ms", "lower", "spaced PING")

    def against_plain_script(self, measure: Callable[[], float], rounds: int, unit: str) -> Against:
        """For the server's time in scripts, in microseconds."""
        return against(measure, self.plain_script, rounds, unit, "lower", "plain script")


def against(
    measure: Callable[[], float],
    ceiling: Callable[[], float],
    rounds: int,
    unit: str,
    better: Better,
    of: str,
) -> Against:
    """In turn: a machine's speed drifts, and drifts for both. Each round's ratio is to the ceilings
    just before and just after it."""
    values, ratios = [], []
    before = ceiling()
    for _ in range(rounds):
        values.append(measure())
        after = ceiling()
        ratios.append(values[-1] / ((before + after) / 2))
        before = after
    return Against(median(values), unit, better, median(ratios), of, noise_of(ratios))


def specs(
    number: int, *, start: int = 0, companies: int = 0, users: int = 0, tenant_names: str = "company-{:05d}"
) -> Iterator[JobSpec]:
    """Jobs with 100-byte payloads, of so many companies in turn and so many users of its own in each."""
    for i in range(start, start + number):
        company = i % max(companies, 1)
        user = company * users + i // max(companies, 1) % max(users, 1)
        yield JobSpec(
            "bench",
            {"p": payload(i)},
            company_id=tenant_names.format(company) if companies else None,
            user_id=f"user-{user:05d}" if users else None,
        )


def fill(queue: RedisJobQueue, number: int, **tenants: Any) -> None:
    for start in range(0, number, _CHUNK):
        queue.submit_jobs(specs(min(_CHUNK, number - start), start=start, **tenants))
