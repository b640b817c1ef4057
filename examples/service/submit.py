"""Some work for the workers of jobs.py, and what came of it: `python -m examples.service.submit`."""

from __future__ import annotations

import sys
import time

from examples.service.jobs import digest, fetch
from faciliter_jobs import get_job_status


def main(count: int) -> None:
    began = time.monotonic()
    ids = fetch.submit_many(fetch.spec(pages=3) for _ in range(count))
    ids += digest.submit_many(digest.spec(f"text {number}") for number in range(count // 10))
    waiting = list(ids)
    while waiting:
        time.sleep(0.2)
        waiting = [
            job_id for job_id in waiting if (job := get_job_status(job_id)) and not job.status.is_terminal
        ]
        print(f"\r{len(ids) - len(waiting)} of {len(ids)} done", end="", flush=True)
    print(f" in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
