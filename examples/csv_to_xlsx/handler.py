"""The job: a CSV file in, an XLSX file out, each as base64.

To serve it: `faciliter-jobs worker examples.csv_to_xlsx.handler:CsvToXlsxHandler`.
"""

from __future__ import annotations

import base64
import binascii
import time
from pathlib import PurePath
from typing import Any

from faciliter_jobs import Job, JobHandler, update_job_progress

from .convert import Conversion

JOB_TYPE = "csv_to_xlsx"
_FAILS_AT_STEP = 5


class TransientError(Exception):
    """Something that works the next time: a share that is away, a service that is busy."""


class CsvToXlsxHandler(JobHandler):
    """input_data:

    file_content: the CSV file, base64 of its bytes (UTF-8).
    filename: its name; the result's is the same with .xlsx.
    step_seconds: how long each step takes at least, for a demonstration (default 0).
    fail_first_attempt: the text of a TransientError that the first attempt ends with, for the same.
    """

    def get_job_type(self) -> str:
        return JOB_TYPE

    def handle(self, job: Job) -> dict[str, Any]:
        given = job.input_data or {}
        name = PurePath(given.get("filename") or "table.csv")
        conversion = Conversion(_file_content(given), title=name.stem)
        steps = len(conversion.steps)
        for number, step in enumerate(conversion.steps, start=1):
            done = (number - 1) * 100 // steps
            message = f"Processing step {number}/{steps}"
            if not update_job_progress(job.job_id, progress=done, message=message):
                raise RuntimeError("the job was cancelled, or given to another worker")
            if number == _FAILS_AT_STEP and job.attempt == 1 and given.get("fail_first_attempt"):
                raise TransientError(given["fail_first_attempt"])
            step()
            time.sleep(given.get("step_seconds", 0))
        return {
            "file_bytes_b64": base64.b64encode(conversion.xlsx).decode(),
            "filename": f"{name.stem}.xlsx",
            "rows": conversion.rows,
            "columns": len(conversion.column_types),
            "column_types": [kind.name for kind in conversion.column_types],
        }


def _file_content(given: dict[str, Any]) -> bytes:
    content = given.get("file_content")
    if not isinstance(content, str):
        raise ValueError("file_content: expected the file's bytes as base64")
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise ValueError(f"file_content: {error}") from error
