"""A worker process whose handlers do what handlers should not."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from faciliter_jobs import Job, JobConfig, JobWorker, RedisJobQueue

RUNS = "test-runs"


class Own(BaseException):
    pass


class Abuse:
    def __init__(self, queue: RedisJobQueue) -> None:
        self._queue = queue

    def count(self, job: Job) -> dict[str, Any]:
        self._queue.transport.command("HINCRBY", self._queue.tag + RUNS, job.job_id, 1)
        return {"pid": os.getpid()}

    def os_exit(self, job: Job) -> None:
        os._exit(7)

    def system_exit(self, job: Job) -> None:
        sys.exit("bye")

    def keyboard_interrupt(self, job: Job) -> None:
        raise KeyboardInterrupt

    def generator_exit(self, job: Job) -> None:
        raise GeneratorExit

    def own_base_exception(self, job: Job) -> None:
        raise Own("no Exception")

    def recurse(self, job: Job) -> None:
        self.recurse(job)

    def leak_threads(self, job: Job) -> dict[str, int]:
        for _ in range(200):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        return {"threads": threading.active_count()}

    def fork_and_return(self, job: Job) -> dict[str, int]:
        """Child and parent both return from the handler."""
        return {"fork": os.fork()}

    def fork_and_raise(self, job: Job) -> dict[str, int]:
        if os.fork() == 0:
            raise ValueError("in the child")
        return {"fork": 1}

    def close_all_files(self, job: Job) -> dict[str, int]:
        os.closerange(3, 4096)
        return {"closed": 1}

    def change_signals(self, job: Job) -> dict[str, int]:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM):
            try:
                signal.signal(number, signal.SIG_IGN)
            except ValueError:  # not in the main thread
                return {"changed": 0}
        return {"changed": 1}

    def delete_modules(self, job: Job) -> dict[str, int]:
        sys.modules.clear()
        return {"modules": len(sys.modules)}

    def print_much(self, job: Job) -> dict[str, int]:
        line = "x" * 1_000_000
        for _ in range(200):
            print(line)
        return {"printed": 200}

    def own_errors(self, job: Job) -> None:
        class Unspeakable(Exception):
            def __str__(self) -> str:
                raise RuntimeError("not even that")

        raise Unspeakable

    def close_stdio(self, job: Job) -> dict[str, int]:
        sys.stdout.close()
        sys.stderr.close()
        return {"closed": 2}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    queue = RedisJobQueue(JobConfig(**json.loads(arguments.config)))
    worker = JobWorker(queue, poll_interval=0.1, retry_delay=0.01, max_retries=1, lease=1)
    abuse = Abuse(queue)
    for name in dir(abuse):
        if not name.startswith("_"):
            worker.register_function_handler(name, getattr(abuse, name))
    worker.start()


if __name__ == "__main__":
    main()
