"""What the server says about its own work."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any

import redis

from .server import Server


def used_memory(client: redis.Redis) -> int:
    """The least of a few looks, between which the server frees what it frees lazily."""
    seen = []
    for _ in range(5):
        info: Any = client.info("memory")
        seen.append(int(info["used_memory"]))
        time.sleep(0.05)
    return min(seen)


class Commands:
    """What was called between entering and leaving, by INFO commandstats. Commands within scripts
    count too; `server_us` is the scripts' time, which includes theirs."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.calls: Counter[str] = Counter()
        self.server_us = 0.0
        self.script_calls = 0

    def _look(self) -> dict[str, dict[str, Any]]:
        info: Any = self._client.info("commandstats")
        return {name.removeprefix("cmdstat_"): numbers for name, numbers in info.items()}

    def __enter__(self) -> Commands:
        self._before = self._look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, numbers in self._look().items():
            before = self._before.get(name, {"calls": 0, "usec": 0})
            calls = int(numbers["calls"]) - int(before["calls"])
            if name in ("evalsha", "eval"):
                self.server_us += float(numbers["usec"]) - float(before["usec"])
                self.script_calls += calls
            elif calls and name not in ("info", "ping"):
                self.calls[name] += calls

    @property
    def inner(self) -> int:
        """Commands beside the script calls themselves."""
        return sum(self.calls.values())


class Watch:
    """MONITOR for a while: which commands clients sent, and which ran within scripts."""

    _END = "bench-watch-ends"

    def __init__(self, server: Server) -> None:
        self._server = server
        self.sent: Counter[str] = Counter()
        self.within_scripts: Counter[str] = Counter()

    def __enter__(self) -> Watch:
        self._client = self._server.client()
        self._client.ping()  # its own greeting is not to be counted
        self._monitor: Any = self._client.monitor()  # type: ignore[no-untyped-call]
        self._monitor.__enter__()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def _listen(self) -> None:
        """Up to our own last word."""
        while True:
            seen: Any = self._monitor.next_command()
            if self._END in str(seen["command"]):
                return
            name = str(seen["command"]).split(" ", 1)[0].lower()
            (self.within_scripts if seen["client_type"] == "lua" else self.sent)[name] += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.echo(self._END)
        self._thread.join(10)
        self._client.close()
