"""BullMQ on Node; the programs are in bench.js."""

from __future__ import annotations

from pathlib import Path

from ..peer import Peer

FOLDER = Path(__file__).resolve().parent

NODE = Peer(
    name="bullmq (Node)",
    adapter="",
    requirements=("bullmq@6.7.0", "ioredis@5.11.1"),
    settings="concurrency 100, completed jobs kept, ioredis",
    survives="yes: stalled jobs wait again, after lock and stalled check (30 s each)",
    bulk=True,
    drain=20_000,
)
