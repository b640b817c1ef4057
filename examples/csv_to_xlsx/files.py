"""Between folders and jobs: CSV files that are submitted, XLSX files that come back."""

from __future__ import annotations

import base64
from pathlib import Path, PurePath
from typing import Any

from faciliter_jobs import get_job_result, submit_job

from .handler import JOB_TYPE

DATA = Path(__file__).parent / "data"
OUTPUT = Path(__file__).parents[1] / "output"


def tables_of(folder: Path) -> list[tuple[str, Path]]:
    """(company, file) of each CSV file: a company has a subfolder, and the files of all are mixed
    as they would come in."""
    by_company = [sorted(company.glob("*.csv")) for company in sorted(folder.iterdir()) if company.is_dir()]
    longest = max((len(files) for files in by_company), default=0)
    mixed = [files[i] for i in range(longest) for files in by_company if i < len(files)]
    return [(file.parent.name, file) for file in mixed]


def submit_file(company: str, file: Path, **extra: Any) -> str:
    """Submits one CSV file and returns the job's id; `extra` goes into its input_data."""
    content = base64.b64encode(file.read_bytes()).decode()
    return submit_job(
        JOB_TYPE,
        {"file_content": content, "filename": file.name, **extra},
        company_id=company,
        user_id="examples",
        metadata={"source": f"{company}/{file.name}"},
    )


def write_result(job_id: str, company: str, output: Path) -> Path | None:
    """Writes a completed job's workbook under `output`; None when the job has no result."""
    result = get_job_result(job_id)
    if result is None:
        return None
    # A result may come from any worker: only the name's last part can be trusted in a path.
    target = output / company / PurePath(result["filename"]).name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(base64.b64decode(result["file_bytes_b64"]))
    return target
