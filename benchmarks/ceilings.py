"""What the same machine can do in the same minute: the limits that figures are ratios of."""

from __future__ import annotations

import csv
import shutil
import subprocess
import time
from typing import Any

import redis

from .figures import median
from .server import Server
from .stats import Commands

_KEY = "bench:ceiling"
_VALUE = b"x" * 100

# As many commands as a small transition makes, of the kinds that it makes.
_PLAIN_SCRIPT = """
for i = 1, 4 do
  redis.call('HSET', KEYS[1], 'status', 'pending', 'number', i, 'payload', ARGV[1])
  redis.call('ZADD', KEYS[2], i, 'member-' .. i)
end
redis.call('ZREM', KEYS[2], 'member-1')
return redis.call('HGETALL', KEYS[1])
"""


def lpush_rate(client: redis.Redis, count: int = 500) -> float:
    """A bare redis-py loop that pushes 100 bytes: what any Python producer pays a round trip."""
    push = client.lpush
    started = time.perf_counter()
    for _ in range(count):
        push(_KEY, _VALUE)
    rate = count / (time.perf_counter() - started)
    client.delete(_KEY)
    return rate


def ping_ms(client: redis.Redis, count: int = 200, gap: float = 0.0) -> float:
    """Median round trip of PING. With a gap between two, as an idle system has it: the cores have
    fallen asleep and wake up first."""
    took = []
    for _ in range(count):
        if gap:
            time.sleep(gap)
        started = time.perf_counter()
        client.ping()
        took.append(time.perf_counter() - started)
    return median(took) * 1000


def script_us(client: redis.Redis, count: int = 200) -> float:
    """The server's own time for a plain script of ten commands."""
    script = client.register_script(_PLAIN_SCRIPT)
    keys = [f"{{{_KEY}}}:hash", f"{{{_KEY}}}:zset"]
    script(keys=keys, args=[_VALUE])
    with Commands(client) as commands:
        for _ in range(count):
            script(keys=keys, args=[_VALUE])
    client.delete(*keys)
    return commands.server_us / count


def redis_benchmark(server: Server) -> dict[str, float]:
    """Requests per second of redis-benchmark (in C) with one client and with 50; {} without it."""
    program = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    c = server.config
    if program is None or c.ssl or c.unix_socket:
        return {}
    command = [program, "-h", c.host, "-p", str(c.port), "--dbnum", str(c.db), "-d", "100", "--csv"]
    command += ["-t", "ping_mbulk,lpush"]
    if c.password:
        command += ["-a", c.password]
    rates = {}
    for clients, count in ((1, 10_000), (50, 50_000)):
        said = subprocess.run(
            [*command, "-c", str(clients), "-n", str(count)], capture_output=True, text=True, timeout=120
        )
        for row in csv.reader(said.stdout.splitlines()):
            if len(row) > 1 and row[0] in ("PING_MBULK", "LPUSH"):
                name = f"{row[0].removesuffix('_MBULK')}, {clients} client{'s' * (clients > 1)}"
                rates[name] = float(row[1])
    _forget(server)
    return rates


def _forget(server: Server) -> None:
    with server.client() as client:
        keys: Any = client.keys("mylist*")
        if keys:
            client.delete(*keys)
