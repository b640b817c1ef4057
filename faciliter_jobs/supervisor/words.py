"""How things are said in the log."""

from __future__ import annotations

import signal

from . import memory
from .beat import Failure
from .process import Child, Death


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"


def of_death(child: Child, death: Death) -> str:
    """For the jobs that it held: `was killed by SIGKILL (max RSS 512 MB)`."""
    reason = f"{death}: it {child.aborted}" if child.aborted else str(death)
    return reason + (f" (max RSS {memory.in_words(death.max_rss)})" if death.max_rss else "")


def of_its_life(child: Child, death: Death) -> str:
    """`after 3.2 s and 81 jobs, 2 running (max RSS 41 MB)`"""
    worked = child.worked_for()
    if worked is None:
        text = "before it was ready"
    else:
        text = f"after {duration(worked)} and {count(child.beat.done, 'job')}"
        if child.beat.active:
            text += f", {child.beat.active} running"
    notes = [f"max RSS {memory.in_words(death.max_rss)}"] if death.max_rss else []
    if death.code == -signal.SIGKILL and not child.aborted:
        notes.append("not by the supervisor: perhaps out of memory")
    return text + (f" ({'; '.join(notes)})" if notes else "")


def of_failure(failure: Failure, target: str) -> str:
    if failure.kind == "server":
        return failure.message
    if failure.kind == "worker":
        return f"failed: {failure.message}"
    return failure.message if failure.usage else f"can't load {target}: {failure.message}"


def of_child(child: Child) -> str:
    """For the state that SIGUSR1 prints."""
    beat, size = child.beat, child.resident()
    parts = [f"worker {child.slot} (pid {child.pid}) {child.state}"]
    worked = child.worked_for()
    if worked is not None:
        parts.append(f"for {duration(worked)}: {count(beat.done, 'job')} done, {beat.active} running")
    if size is not None:
        parts.append(f"{memory.in_words(size)} resident")
    if beat.turned_ago is not None:
        parts.append(f"turned {beat.turned_ago:.1f} s ago")
    if beat.abandoned:
        parts.append(f"{count(beat.abandoned, 'thread')} abandoned")
    return ", ".join(parts)
