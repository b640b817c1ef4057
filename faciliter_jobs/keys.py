"""The few key names that Python touches; lua/lib/keys.lua has them all, and a test compares both."""

from __future__ import annotations


def tag(prefix: str, shard: int | None = None) -> str:
    """The hash tag that starts every key of a shard: prefix `jobs:` gives `{jobs:}`."""
    return f"{{{prefix}}}" if shard is None else f"{{{prefix}{shard}}}"


def job(tag: str, job_id: str) -> str:
    return f"{tag}job:{job_id}"


def done(tag: str, job_id: str) -> str:
    """The channel on which it is said that the job has ended."""
    return f"{tag}done:{job_id}"


def inbox(tag: str, worker: str) -> str:
    return f"{tag}inbox:{worker}"


def processing(tag: str, worker: str) -> str:
    return f"{tag}processing:{worker}"


def tell(tag: str, worker: str) -> str:
    """The channel on which a worker is told of jobs that it runs."""
    return f"{tag}tell:{worker}"


def named(tag: str, name: str) -> str:
    """The key of that name, as the doctor knows it."""
    return tag + name


def meta(tag: str) -> str:
    return f"{tag}meta"
