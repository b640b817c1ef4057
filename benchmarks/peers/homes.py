"""A place of its own for each peer: a virtual environment, or a folder of Node packages. Made once, and
again when the requirements change."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..workers import ROOT
from .node import FOLDER
from .peer import Peer

_DONE = "requirements.done"


class NotInstalled(Exception):
    """With a reason for the table."""


class Home:
    """How to start a peer's two processes."""

    def __init__(self, peer: Peer, out: Path) -> None:
        self.peer = peer
        self.node_home = ""
        if not peer.requirements:
            self._program = [sys.executable, "-m", "benchmarks.peers.child", peer.adapter]
        elif peer.adapter:
            python = _virtual_environment(peer, out / "venvs")
            self._program = [str(python), "-m", "benchmarks.peers.child", peer.adapter]
        else:
            self.node_home = str(_node_packages(peer, out / "node"))
            self._program = ["node", str(FOLDER / "bench.js")]

    def start(self, role: str, environment: dict[str, str], log: Path) -> subprocess.Popen[str]:
        """In a process group of its own, so that `kill -9` gets all of it."""
        env = {
            **os.environ,
            **environment,
            "BENCH_OPTIONS": self.peer.options,
            "BENCH_NODE_HOME": self.node_home,
        }
        env.pop("VIRTUAL_ENV", None)
        with log.open("a", encoding="utf-8") as errors:
            return subprocess.Popen(
                [*self._program, role],
                cwd=ROOT,
                env=env,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )


def _stamp(peer: Peer) -> str:
    return json.dumps([sys.version, *peer.requirements])


def _virtual_environment(peer: Peer, folder: Path) -> Path:
    key = hashlib.sha1(_stamp(peer).encode()).hexdigest()[:8]  # two peers of one set share it
    home = folder / f"{peer.adapter}-{key}"
    python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (home / _DONE).is_file():
        shutil.rmtree(home, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(home)])
        _run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                *peer.requirements,
            ]
        )
        (home / _DONE).write_text(_stamp(peer), "utf-8")
    return python


def _node_packages(peer: Peer, home: Path) -> Path:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NotInstalled(f"{program} is not on PATH")
    wanted = (FOLDER / "package.json").read_text("utf-8")
    done = home / _DONE
    if not done.is_file() or done.read_text("utf-8") != wanted:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "package.json").write_text(wanted, "utf-8")
        _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(home)])
        done.write_text(wanted, "utf-8")
    return home


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip().splitlines()
        raise NotInstalled(f"{Path(command[0]).name} failed: {said[-1] if said else error}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error
