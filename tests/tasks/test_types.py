"""Type checkers know a task by its function's signature."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.docs import examples

ROOT = Path(__file__).resolve().parents[2]
RIGHT, WRONG = (Path("tests/tasks") / name for name in ("typed_right.py", "typed_wrong.py"))


def _mypy(files: list[Path]) -> set[tuple[str, int]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary",
               "--follow-imports=silent", "--output=json", *files]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {(Path(e["file"]).name, e["line"]) for e in found if e["severity"] == "error"}


def _pyright(files: list[Path]) -> set[tuple[str, int]]:
    """basedpyright is pyright with a Node of its own, so that it needs no network."""
    program = shutil.which("basedpyright", path=Path(sys.executable).parent) or shutil.which("pyright")
    if program is None:
        pytest.skip("neither basedpyright nor pyright is installed: pip install basedpyright")
    command = [program, "--outputjson", "--pythonpath", sys.executable, *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    try:
        found = json.loads(done.stdout)["generalDiagnostics"]
    except ValueError:
        pytest.fail(done.stdout + done.stderr)
    return {
        (Path(e["file"]).name, e["range"]["start"]["line"] + 1) for e in found if e["severity"] == "error"
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [_mypy, _pyright])
def test_right_calls_and_the_docs_pass_and_each_wrong_call_is_a_type_error(checker, tmp_path):
    lines = (ROOT / WRONG).read_text("utf-8").splitlines()
    wrong = {(WRONG.name, number) for number, line in enumerate(lines, 1) if "# wrong:" in line}
    assert len(wrong) == 21
    docs = tmp_path / "docs_tasks.py"
    docs.write_text(examples("tasks.md"))
    assert checker([RIGHT, WRONG, docs]) == wrong
