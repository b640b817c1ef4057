"""docs/security.md says what is so."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from faciliter_jobs import acl, tls
from faciliter_jobs.cli.app import app
from faciliter_jobs.scripts.compose import lua_folder

PAGE = lua_folder().parent / "docs" / "security.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text("utf-8")


def test_its_python_runs(queue, page):
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {"queue": queue})


def test_it_names_each_role_and_each_option(page):
    for role in acl.ROLES:
        assert f"| `{role}` |" in page
    table = page[page.index("| option, after `ssl_`") : page.index("## Secrets")]
    assert set(tls.OPTIONS) <= set(re.findall(r"`([a-z_]+)`", table))


def test_the_command_prints_the_rules_of_the_queue_that_is_named(monkeypatch):
    monkeypatch.delenv("JOB_QUEUE_URL", raising=False)
    run = CliRunner().invoke
    whole = ["--url", "redis://h/2", "--prefix", "app:", "acl", "--role", "producer", "--user", "web"]
    line = run(app, whole).stdout
    assert line.startswith("ACL SETUSER web on resetkeys ~{app:}* resetchannels &{app:}* -@all +")
    assert "+select" in line and "+zpopmax" not in line and "+blmove" not in line
    both = run(app, ["acl", "--role", "producer", "--role", "worker"]).stdout
    assert both.startswith("ACL SETUSER producer-worker on resetkeys ~{jobs:}*") and "+zpopmax" in both
