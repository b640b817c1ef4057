"""Notices that code has changed, in development. Needs the extra `reload` (watchfiles)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from ..errors import InvalidArgumentError

log = logging.getLogger("faciliter_jobs.supervisor")


class Watcher:
    """Watches .py files below the current directory. Raises InvalidArgumentError without watchfiles."""

    def __init__(self, wake: Callable[[], None], folder: Path | None = None) -> None:
        try:
            import watchfiles
        except ModuleNotFoundError as error:
            raise InvalidArgumentError(
                "--reload: watchfiles is missing: pip install 'faciliter-jobs[reload]'"
            ) from error
        self._watchfiles = watchfiles
        self._wake = wake
        self._folder = folder or Path.cwd()
        self._lock = threading.Lock()
        self._changed: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        log.info("watching %s for changed .py files", self._folder)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def changed(self) -> str:
        """What has changed since the last call, in words; "" when nothing has."""
        with self._lock:
            files, self._changed = sorted(self._changed), set()
        return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")

    def _run(self) -> None:
        filter_ = self._watchfiles.PythonFilter()
        watched = self._watchfiles.watch(
            self._folder, watch_filter=filter_, stop_event=self._stop, debounce=300, raise_interrupt=False
        )
        for changes in watched:
            names = {str(Path(path).relative_to(self._folder)) for _, path in changes}
            with self._lock:
                self._changed |= names
            self._wake()
