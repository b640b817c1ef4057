"""Rules for the server's access control lists (ACL): for each role the commands that its part of the
queue uses, and no other. Taken from the scripts themselves; `faciliter-jobs acl` prints them.

Redis and Valkey check each command inside a script against the rules of the user who runs it. So a
producer can send claim.lua, and it is refused at its first command that producers don't have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from . import keys
from .config import JobConfig
from .errors import InvalidArgumentError
from .scripts.compose import composed, script_names

# batch.lua's `send` and checkup.lua's `ask` call the command that they are given.
_COMMAND = re.compile(r"(?:\bredis\.p?call|\bsend|\bask)\('([A-Z]+)'")
_GLOB = re.compile(r"[*?\[\]^\\]")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,128}\Z")

RUNS_SCRIPTS = ("evalsha", "script|load")
_CHECKS = ("read/check_jobs", "read/check_members", "read/check_entries", "read/check_keys")
_SCANS = ("scan", "sscan", "hscan")  # the doctor's
_CONNECTS = ("hget", "hsetnx")  # the schema's version


@dataclass(frozen=True)
class Role:
    """Who uses which part of the queue."""

    purpose: str
    scripts: tuple[str, ...]
    plain: tuple[str, ...]  # commands that the client sends itself


ROLES = {
    "producer": Role(
        "submits jobs, asks for them by id, waits for them and cancels them",
        ("submit", "submit_one", "cancel", "watch", "read/get", "read/stats"),
        (*_CONNECTS, "hgetall", "subscribe", "unsubscribe"),
    ),
    "worker": Role(
        "claims jobs, runs them and reports their progress and ends",
        (
            "claim",
            "park",
            "read/handed",
            "adopt",
            "turn",
            "tend",
            "release",
            "leave",
            "heartbeat",
            "lose",
            "progress",
            "complete",
            "fail",
            "read/get",
            "read/stats",
        ),
        (*_CONNECTS, "hgetall", "blmove", "subscribe"),
    ),
    "reader": Role(
        "looks at jobs, lists and figures, and checks the queue; changes nothing",
        ("read/get", "read/list", "read/stats", "read/records", *_CHECKS),
        ("hget", "hgetall", *_SCANS),
    ),
    "operator": Role(
        "may do all that can be done to a queue",
        tuple(script_names()),
        (*_CONNECTS, "hgetall", "blmove", "subscribe", "unsubscribe", *_SCANS),
    ),
}


@cache
def commands_of(script: str) -> frozenset[str]:
    """The commands that a script, with its libraries, may call; lower case."""
    text = "\n".join(line.partition("--")[0] for line in composed(script).text.splitlines())
    return frozenset(name.lower() for name in _COMMAND.findall(text))


def commands(role: str) -> frozenset[str]:
    """All that a role needs, as ACL names. Raises InvalidArgumentError for an unknown role."""
    if role not in ROLES:
        raise InvalidArgumentError(f"role: {role!r} is none of {', '.join(ROLES)}")
    chosen = ROLES[role]
    return frozenset(RUNS_SCRIPTS).union(chosen.plain, *(commands_of(script) for script in chosen.scripts))


def rules(roles: Iterable[str], config: JobConfig) -> list[str]:
    """The rules of a user with these roles on the queue of `config`, for ACL SETUSER or a users file.

    Raises InvalidArgumentError for an unknown role, and for a prefix that ACL patterns can't hold.
    """
    tag = keys.tag(config.prefix, config.shard)
    if re.search(r"[\s\x00]", tag):
        raise InvalidArgumentError(
            f"prefix: {config.prefix!r} has white space, which ACL patterns can't have"
        )
    pattern = _GLOB.sub(r"\\\g<0>", tag) + "*"
    allowed = {name for role in roles for name in commands(role)}
    if config.db:
        allowed.add("select")
    return [
        "on",
        "resetkeys",
        f"~{pattern}",
        "resetchannels",
        f"&{pattern}",
        "-@all",
        *(f"+{name}" for name in sorted(allowed)),
    ]


def setuser(user: str, roles: Iterable[str], config: JobConfig) -> str:
    """The command that gives the user these roles, and nothing else; its passwords stay as they are."""
    if not _NAME.match(user):
        raise InvalidArgumentError(f"user: {user!r} is not a name without white space")
    return " ".join(["ACL", "SETUSER", user, *rules(roles, config)])
