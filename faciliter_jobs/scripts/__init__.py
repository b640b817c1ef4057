"""The contract with the Lua scripts: one typed declaration each, without I/O.

Nothing else names a script, packs its arguments or takes a reply apart. The names and the order of
the arguments are those of the script's header; a test compares them.
"""

from .base import MAX_PAGE_BYTES, Call, Command, Steps
from .claim import Outcome, Parked, Turned, adopt, claim, handed, park, turn
from .compose import composed
from .doctor import (
    Problem,
    check_entries,
    check_jobs,
    check_keys,
    check_members,
    records,
    repair_field,
    repair_jobs,
    repair_keys,
    repair_members,
)
from .finish import Ending, cancel, complete, fail, progress, retry
from .lifecycle import Cleaned, cleanup, heartbeat, leave, lose, promote, recover, release, tend
from .reads import Page, Stats, WorkerInfo, get_job, list_jobs, stats
from .submit import NewJob, submit, submit_one
from .watch import watch

__all__ = [
    "MAX_PAGE_BYTES",
    "Call",
    "Cleaned",
    "Command",
    "Ending",
    "NewJob",
    "Outcome",
    "Page",
    "Parked",
    "Problem",
    "Stats",
    "Steps",
    "Turned",
    "WorkerInfo",
    "adopt",
    "cancel",
    "check_entries",
    "check_jobs",
    "check_keys",
    "check_members",
    "claim",
    "cleanup",
    "complete",
    "composed",
    "fail",
    "get_job",
    "handed",
    "heartbeat",
    "leave",
    "list_jobs",
    "lose",
    "park",
    "progress",
    "promote",
    "records",
    "recover",
    "release",
    "repair_field",
    "repair_jobs",
    "repair_keys",
    "repair_members",
    "retry",
    "stats",
    "submit",
    "submit_one",
    "tend",
    "turn",
    "watch",
]
