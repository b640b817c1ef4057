"""What others are told of a run: health endpoints, the ready file, systemd."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InvalidArgumentError
from .health import HealthServer
from .notify import Notifier
from .settings import Settings

_STALE = 15.0  # seconds after which what was told last holds no more


@dataclass(frozen=True)
class Report:
    """live: what runs the workers turns. ready: all workers serve jobs. why_not: when it isn't so.
    details: for /healthz, as JSON."""

    live: bool
    ready: bool
    why_not: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class Outside:
    """Use as a context manager. `tell` whenever something may have changed, and often enough for
    systemd's watchdog. Raises InvalidArgumentError when it can't do what the settings ask for."""

    def __init__(self, settings: Settings) -> None:
        self._report = Report(live=True, ready=False, why_not="starting")
        self._told_at = time.monotonic()
        self._ready_file = settings.ready_file
        self._notifier = Notifier()
        self._server: HealthServer | None = None
        if self._ready_file is not None:
            self._set_ready_file(False)  # one of before
            if not os.access(self._ready_file.absolute().parent, os.W_OK):
                raise InvalidArgumentError(f"--ready-file: {self._ready_file} can't be written")
        if settings.health_port is not None:
            self._server = HealthServer(settings.health_host, settings.health_port, self._current)

    def __enter__(self) -> Outside:
        if self._server is not None:
            self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._notifier.stopping()
        self._set_ready_file(False)
        if self._server is not None:
            self._server.close()

    @property
    def health_address(self) -> str:
        """`http://127.0.0.1:8080`, or ""."""
        return self._server.address if self._server is not None else ""

    def tell(self, report: Report, status: str) -> None:
        """status: a line for `systemctl status`."""
        if report.ready != self._report.ready:
            self._set_ready_file(report.ready)
        self._report, self._told_at = report, time.monotonic()
        if report.ready:
            self._notifier.ready()
        if report.live:
            self._notifier.alive()
        self._notifier.status(status)

    def stopping(self) -> None:
        """From now on it isn't ready, whatever the workers say."""
        self._notifier.stopping()

    def _current(self) -> Report:
        silent = time.monotonic() - self._told_at
        if silent < _STALE:
            return self._report
        why = f"the loop has not turned for {silent:.0f} s"
        return replace(self._report, live=False, ready=False, why_not=why)

    def _set_ready_file(self, ready: bool) -> None:
        path: Path | None = self._ready_file
        if path is None:
            return
        if ready:
            path.write_text(f"{os.getpid()}\n")
        else:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
