"""The program of a peer's two processes: `python -m benchmarks.peers.child ADAPTER produce|work`.

A producer takes one JSON object a line on stdin, and answers each with one on stdout. The adapter's own
output goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

from ..tally import payload
from .base import BaseAdapter


def _adapter(name: str) -> BaseAdapter:
    module = importlib.import_module(f"benchmarks.peers.adapters.{name}")
    lease, options = int(os.environ["BENCH_LEASE"]), os.environ["BENCH_OPTIONS"]
    adapter: BaseAdapter = module.Adapter(os.environ["BENCH_URL"], lease, options)
    return adapter


def _produce(adapter: BaseAdapter, task: dict[str, Any]) -> dict[str, Any]:
    texts = [payload(number) for number in range(task["first"], task["first"] + task["count"])]
    if task["do"] == "spaced":
        submitted = []
        due = time.monotonic()
        for text in texts:
            time.sleep(max(0.0, due - time.monotonic()))
            submitted.append(time.monotonic())
            adapter.enqueue([text])
            due += task["gap"]
        return {"submitted": submitted}
    work = adapter.bulk if task["do"] == "bulk" else adapter.enqueue
    started = time.monotonic()
    work(texts)
    return {"seconds": time.monotonic() - started}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    adapter = _adapter(sys.argv[1])
    if sys.argv[2] == "work":
        adapter.work()
        return
    for line in sys.stdin:
        answers.write(json.dumps(_produce(adapter, json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
