"""The demo as a process, and the job that it shows: CSV to XLSX."""

from __future__ import annotations

import base64
import csv
import fcntl
import io
import os
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from examples.csv_to_xlsx.convert import Conversion, convert
from examples.csv_to_xlsx.files import DATA, submit_file, tables_of, write_result
from examples.csv_to_xlsx.handler import JOB_TYPE, CsvToXlsxHandler
from faciliter_jobs import Job, JobStatus
from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]
TABLES = tables_of(DATA)


def _sheet(xlsx: bytes):
    return openpyxl.load_workbook(io.BytesIO(xlsx)).worksheets[0]


def _column(content: str) -> list[object]:
    """What the column `x` holds after the conversion."""
    sheet = _sheet(convert(f"x,y\n{content}".encode()))
    return [cell.value for cell in sheet["A"][1:]]


def _converted(content: bytes) -> Conversion:
    conversion = Conversion(content, "t")
    for step in conversion.steps:
        step()
    return conversion


# --- the conversion -------------------------------------------------------------------------------


def test_the_header_is_bold_and_stays_in_view():
    sheet = _sheet(convert(b"name,age\nAda,36\n", "people"))
    assert sheet.title == "people"
    assert [cell.value for cell in sheet[1]] == ["name", "age"]
    assert all(cell.font.bold for cell in sheet[1]) and not any(cell.font.bold for cell in sheet[2])
    assert sheet.freeze_panes == "A2"


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("1,\n-20,\n0,\n", [1, -20, 0]),
        ("1,\n2.5,\n1e-30,\n", [1, 2.5, 1e-30]),
        ("1,\n,\n3,\n", [1, None, 3]),
        ("1,\ntwo,\n", ["1", "two"]),
        ("007,\n42,\n", ["007", "42"]),  # an article number would lose its zeros
        ("1234567890123456,\n", ["1234567890123456"]),  # more digits than a spreadsheet keeps
        ("1e999,\n", ["1e999"]),
        ("nan,\n", ["nan"]),
        ("True,\n", ["True"]),
        ("1969-07-16,\n", [datetime(1969, 7, 16)]),
        ("1787-12-07,\n1959-08-21,\n", ["1787-12-07", "1959-08-21"]),  # no spreadsheet has 1787
        ("2023-02-30,\n", ["2023-02-30"]),  # no such day
        ("=1+1,\n", ["=1+1"]),
        ('"two\nlines",\n', ["two\nlines"]),
        ("bell\x07,\n", ["bell\ufffd"]),
    ],
)
def test_a_column_has_the_narrowest_type_that_all_its_cells_fit(content, values):
    assert _column(content) == values


def test_dates_are_shown_as_dates_and_nothing_becomes_a_formula():
    sheet = _sheet(convert(b"day,sum\n1969-07-16,=SUM(A1)\n"))
    assert sheet["A2"].is_date and sheet["A2"].number_format == "yyyy-mm-dd"
    assert sheet["B2"].data_type == "s"


def test_columns_are_as_wide_as_what_they_hold_up_to_a_limit():
    sheet = _sheet(convert(f"id,text,a long header\n1,{'x' * 500},2\n".encode()))
    widths = [sheet.column_dimensions[letter].width for letter in "ABC"]
    assert widths == [4, 60, len("a long header") + 2]


def test_a_byte_order_mark_is_no_part_of_the_header():
    assert _sheet(convert("\ufeffname\nAda\n".encode()))["A1"].value == "name"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n3\n", "line 3: 1 cells, but the header has 2"),
        (b'a\n"open\n', "line"),
        (b"a\n\xff\n", "utf-8"),
        (f"a\n{'x' * 40_000}\n".encode(), "line 2: a cell is longer"),
    ],
)
def test_what_is_no_table_is_refused_naming_the_line(content, complaint):
    with pytest.raises(ValueError, match=complaint):
        _converted(content)


def test_a_table_of_a_header_alone_is_a_table():
    conversion = _converted(b"a,b\n")
    assert conversion.rows == 0
    assert list(_sheet(conversion.xlsx).values) == [("a", "b")]


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value.date().isoformat() if isinstance(value, datetime) else str(value)


def _same(cell: object, text: str) -> bool:
    if isinstance(cell, (int, float)):
        return float(text) == float(cell)
    return _as_text(cell) == text


@pytest.mark.parametrize(("company", "file"), TABLES, ids=[file.stem for _, file in TABLES])
def test_each_shipped_table_is_the_same_table_as_a_workbook(company, file):
    sheet = _sheet(convert(file.read_bytes(), file.stem))
    records = list(csv.reader(io.StringIO(file.read_text("utf-8"))))
    rows = list(sheet.values)
    assert len(rows) == len(records) > 8
    for row, record in zip(rows, records):
        assert all(_same(cell, text) for cell, text in zip(row, record)) and len(row) == len(record)


def test_two_companies_have_tables_and_they_come_in_by_turns():
    assert [company for company, _ in TABLES] == ["atlas", "curie"] * 5


# --- the job --------------------------------------------------------------------------------------


def test_a_submitted_file_comes_back_as_a_workbook(default_queue, run_worker, tmp_path):
    run_worker({JOB_TYPE: CsvToXlsxHandler().handle})
    file = DATA / "curie" / "planets.csv"
    job_id = submit_file("curie", file)
    job = until(lambda: (job := default_queue.get_job(job_id)) and job.status.is_terminal and job)
    assert job.status is JobStatus.COMPLETED
    assert (job.company_id, job.progress, job.progress_message) == ("curie", 100, "Processing step 10/10")
    assert (job.result["filename"], job.result["rows"], job.result["columns"]) == ("planets.xlsx", 8, 6)
    assert job.result["column_types"] == ["text", "decimal", "integer", "decimal", "decimal", "decimal"]
    written = write_result(job_id, "curie", tmp_path)
    assert written == tmp_path / "curie" / "planets.xlsx"
    assert _sheet(written.read_bytes())["A4"].value == "Earth"


def test_the_injected_error_fails_the_first_attempt_only(default_queue, run_worker):
    run_worker({JOB_TYPE: CsvToXlsxHandler().handle})
    job_id = submit_file("curie", DATA / "curie" / "planets.csv", fail_first_attempt="the share is away")
    job = until(lambda: (job := default_queue.get_job(job_id)) and job.status.is_terminal and job)
    assert (job.status, job.attempt, job.retry_count) == (JobStatus.COMPLETED, 2, 1)
    assert job.metadata["last_error"] == "TransientError: the share is away"


def test_a_result_is_written_into_its_companys_folder_whatever_name_it_has(default_queue, tmp_path):
    job_id = default_queue.submit_job(JOB_TYPE)
    assert write_result(job_id, "curie", tmp_path) is None
    content = base64.b64encode(b"x").decode()
    default_queue.complete_job(job_id, {"filename": "../../out.xlsx", "file_bytes_b64": content})
    assert write_result(job_id, "curie", tmp_path) == tmp_path / "curie" / "out.xlsx"


@pytest.mark.parametrize("given", [None, {}, {"file_content": 7}, {"file_content": "no base64!"}])
def test_a_job_without_a_file_fails_and_says_so(given):
    job = Job("id", JOB_TYPE, JobStatus.PROCESSING, "", "", input_data=given)
    with pytest.raises(ValueError, match="file_content"):
        CsvToXlsxHandler().handle(job)


# --- the demo -------------------------------------------------------------------------------------


@pytest.fixture
def demo(tmp_path):
    """Starts the demo, quicker than it is to be watched, on an embedded server under tmp_path."""
    started = []

    def start(*arguments: str, url: str = "embedded://") -> subprocess.Popen[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("JOB_QUEUE_", "REDIS_"))}
        environment = {**kept, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "JOB_QUEUE_URL": url}
        command = [sys.executable, "-m", "examples.demo", "--step-seconds", "0.08", "--lease", "1"]
        command += ["--output", str(tmp_path / "output"), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, preexec_fn=_listen_to_ctrl_c, **pipes
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=30)


def _listen_to_ctrl_c() -> None:
    """As in a terminal: where these tests run in the background, it would be ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _nobody_uses_the_server(tmp_path: Path) -> bool:
    """Every process that does holds a shared lock on this file, as long as it lives."""
    home = tmp_path / "faciliter-jobs"
    with (home / "users.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return not (home / "server.sock").exists()


def test_the_demo_loses_nothing_though_a_worker_is_killed(demo, tmp_path):
    process = demo()
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out + err
    assert out.rstrip().endswith("Nothing was lost.")
    assert "submitted 10, completed 10, lost 0" in out
    assert "2 failed at first and succeeded when tried again" in out
    assert re.search(r"^1 taken over from the killed worker, [0-9.]+ s after its end$", out, re.M)
    assert "doctor: no findings" in out
    for text in ("SIGKILL to worker-", "the archive did not answer", "did not renew its lease"):
        assert text in out
    written = sorted(path.relative_to(tmp_path / "output") for path in tmp_path.glob("output/*/*.xlsx"))
    assert written == sorted(Path(company) / f"{file.stem}.xlsx" for company, file in TABLES)
    assert "\x1b" not in out  # no terminal: plain lines
    assert _nobody_uses_the_server(tmp_path)


def test_an_interrupted_demo_leaves_no_process_behind(demo, tmp_path):
    process = demo()
    for line in process.stdout:
        if "started by" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "interrupted" in err and "Traceback" not in err
    assert _nobody_uses_the_server(tmp_path)


def test_the_demo_does_not_replace_a_configured_server_that_is_away(demo, tmp_path):
    process = demo(url="redis://:sekret@localhost:1/0")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("error: can't reach redis://localhost:1/0") and err.count("\n") == 1
    assert not (tmp_path / "faciliter-jobs").exists()
