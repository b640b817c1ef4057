"""A command in a terminal of a given width, and what it shows there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def in_terminal(columns: int, *arguments: str) -> list[str]:
    """The lines that the command prints, without their colours."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "faciliter_jobs.cli", *arguments],
        cwd=_ROOT, env={**environment, "TERM": "xterm"}, stdin=its, stdout=its, stderr=its,
    ):  # fmt: skip
        os.close(its)
        shown = b""
        with contextlib.suppress(OSError):  # Linux' word for "nobody writes here any more"
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    return _STYLES.sub("", shown.decode()).splitlines()
