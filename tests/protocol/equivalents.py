"""Changes to the scripts that no exploration can tell from the scripts as they are, and why."""

from __future__ import annotations

from tests.protocol.mutants import STOP, Mutant

EQUIVALENTS: list[tuple[Mutant, str]] = [
    (
        Mutant("park doesn't unpark first", "park.lua", "hold.unpark(worker)\n", "", STOP, ""),
        "a worker is only ever parked while no job waits for it, and whoever hands it one unparks it",
    ),
    (
        Mutant("adopt doesn't unpark first", "adopt.lua", "hold.unpark(worker)\n", "", STOP, ""),
        "as above: adopt follows a hand-off",
    ),
    (
        Mutant(
            "a turn parks whatever the worker's lists hold",
            "turn.lua",
            "if is_idle and redis.call('EXISTS', keys.processing(worker), keys.inbox(worker)) == 0 then",
            "if is_idle then",
            STOP,
            "",
        ),
        "a worker asks for that only when it holds nothing and knows it: after a fault it parks first; this "
        "is a second lock, for one whose other thread reports at that moment",
    ),
    (
        Mutant(
            "adopt goes by the list, not by the record",
            "lib/hold.lua",
            "job.worker == worker",
            "true",
            STOP,
            "",
        ),
        "place.leave takes a job off the list in the same call that takes it from the worker",
    ),
    (
        Mutant(
            "the lists of a worker that is gone aren't swept",
            "lib/recover.lua",
            "elseif not redis.call('ZSCORE', keys.leases(), id) then",
            "elseif false then",
            STOP,
            "",
        ),
        "no id is ever in a list without a lease, which is what this is a second lock for",
    ),
]
