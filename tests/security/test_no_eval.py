"""What is stored is data and never code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import faciliter_jobs
from faciliter_jobs.scripts.compose import lua_folder

PACKAGE = Path(faciliter_jobs.__file__).parent
FILES = sorted([*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "faciliter_lib").rglob("*.py")])
CODE_FROM_DATA = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "jsonpickle",
    "joblib",
}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE.parent)))
def test_nothing_is_unpickled_or_evaluated(file):
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in CALLS, f"{file}:{node.lineno}"
            continue
        elif isinstance(node, ast.keyword):
            assert node.arg != "shell", f"{file}:{node.value.lineno}: a shell"
            continue
        else:
            continue
        assert not names & CODE_FROM_DATA, f"{file}:{node.lineno}"


def test_scripts_load_no_code():
    for file in lua_folder().rglob("*.lua"):
        text = file.read_text("utf-8")
        for name in ("loadstring", " load(", "dofile", "EVAL", "setfenv"):
            assert name not in text, file
