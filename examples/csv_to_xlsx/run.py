"""Converts a folder of CSV files with whatever workers run: `python -m examples.csv_to_xlsx.run`.

The queue is the one that the environment names (JOB_QUEUE_URL); README.md has the commands.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from faciliter_jobs import JobQueueError, get_job_status

from .files import DATA, OUTPUT, submit_file, tables_of, write_result


def main() -> int:
    parser = argparse.ArgumentParser(description="Convert CSV files to XLSX, as jobs.")
    parser.add_argument("folder", nargs="?", type=Path, default=DATA, help="with one subfolder a company")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--timeout", type=float, default=300, help="seconds to wait for all (default 300)")
    arguments = parser.parse_args()
    try:
        return _run(arguments.folder, arguments.output, arguments.timeout)
    except (JobQueueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(folder: Path, output: Path, timeout: float) -> int:
    waiting = {submit_file(company, file): (company, file) for company, file in tables_of(folder)}
    print(f"submitted {len(waiting)} jobs")
    failed = 0
    deadline = time.monotonic() + timeout
    while waiting and time.monotonic() < deadline:
        for job_id, (company, file) in list(waiting.items()):
            job = get_job_status(job_id)
            if job is not None and not job.status.is_terminal:
                continue
            del waiting[job_id]
            written = write_result(job_id, company, output)
            if written is not None:
                print(f"{company}/{file.name} -> {written}")
            else:
                failed += 1
                what = "its record is gone" if job is None else f"{job.status.value}: {job.error}"
                print(f"{company}/{file.name}: {what}", file=sys.stderr)
        time.sleep(0.1)
    for company, file in waiting.values():
        print(f"{company}/{file.name}: not done in time (does a worker run?)", file=sys.stderr)
    return 1 if failed or waiting else 0


if __name__ == "__main__":
    sys.exit(main())
