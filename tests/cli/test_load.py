"""What a worker says whose module can't be loaded: the module's own lines, and no one else's."""

from __future__ import annotations

import sys

import pytest

_MODULES = {
    "syntax": "x = (\n",
    "missing": "def load():\n    import nosuchthing\n\nload()\n",
    "raising": (
        "def worker():\n    try:\n        {}['key']\n    except KeyError as error:\n"
        "        raise RuntimeError('no settings') from error\n"
    ),
    "inner": "import {syntax}\njobs = None\n",
    "leaving": "import sys\nsys.exit('no licence')\n",
    "endless": "def worker():\n    return worker()\n",
    "including": ("from faciliter_jobs import JobApp\njobs = JobApp()\njobs.include(None)\n"),
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """kind -> the name of a module in the current directory."""
    names = {kind: f"{kind}_{tmp_path.name}".replace("-", "_") for kind in _MODULES}
    for kind, text in _MODULES.items():
        (tmp_path / f"{names[kind]}.py").write_text(text.replace("{syntax}", names["syntax"]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return names


@pytest.mark.parametrize(
    ("kind", "last", "shown"),
    [
        ("syntax:jobs", "SyntaxError: '(' was never closed", ["x = ("]),
        ("inner:jobs", "SyntaxError: '(' was never closed", ["import syntax", "x = ("]),
        (
            "missing:jobs",
            "ModuleNotFoundError: No module named 'nosuchthing'",
            ["load()", "import nosuchthing"],
        ),
        ("raising:worker", "RuntimeError: no settings", ["{}['key']", "KeyError: 'key'", "direct cause"]),
        ("leaving:jobs", "SystemExit: no licence", ["sys.exit('no licence')"]),
        ("endless:worker", "RecursionError: maximum recursion depth exceeded", ["return worker()"]),
        ("including:jobs", "AttributeError", ["jobs.include(None)"]),
    ],
)
def test_a_module_that_can_not_be_loaded_shows_its_own_lines_and_the_reason(cli, modules, kind, last, shown):
    module, _, name = kind.partition(":")
    target = f"{modules[module]}:{name}"
    said = cli("worker", target)
    assert (said.code, said.out) == (1, "")
    *trace, reason = said.err.splitlines()
    assert reason.startswith(f"error: can't load {target}: ") and last in reason
    for text in shown:
        assert any(text in line for line in trace)
    for foreign in ("faciliter_jobs/", "importlib", "typer", "│"):
        assert not any(foreign in line for line in trace)
    assert len(trace) < 30


def test_a_fault_of_our_own_is_a_plain_traceback(cli):
    """No boxes with our sources in them, and no values of variables."""
    from faciliter_jobs.cli.app import app

    assert app.pretty_exceptions_enable is False
