"""What the documentation promises is tested: each statement of docs/guarantees.md names tests, and each
test that any page names is one that pytest runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUARANTEES = ROOT / "docs" / "guarantees.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py(?:::\w+)+)`")


def _statements() -> list[str]:
    """The items of the page's lists."""
    text = GUARANTEES.read_text("utf-8")
    return [item.strip() for item in re.findall(r"^- (.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)]


def _named() -> dict[str, str]:
    """Test -> the page that names it."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {test: page.name for page in pages for test in _TEST.findall(page.read_text("utf-8"))}


def test_the_page_is_read_as_it_is_meant():
    assert len(_statements()) == len(re.findall(r"^- ", GUARANTEES.read_text("utf-8"), re.MULTILINE)) > 30


@pytest.mark.parametrize("statement", _statements(), ids=lambda text: " ".join(text.split()[:8]))
def test_each_statement_names_a_test_that_holds_it(statement):
    assert _TEST.search(statement)


def test_each_test_that_is_named_is_one_that_pytest_runs():
    """Collected by pytest itself, in one go: the files are imported, nothing runs."""
    named = _named()
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    files = sorted({test.partition("::")[0] for test in named})
    assert [file for file in files if not (ROOT / file).is_file()] == []
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-3000:]
    collected = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
    missing = {test: page for test, page in named.items() if test not in collected}
    assert missing == {}
