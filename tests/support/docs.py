"""The examples of the documentation, for the tests that run them."""

from __future__ import annotations

import re
from pathlib import Path

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def page(name: str) -> str:
    return (_DOCS / name).read_text("utf-8")


def blocks(name: str) -> list[str]:
    """The Python blocks of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)


def examples(page: str) -> str:
    """All of them, as one module."""
    found = blocks(page)
    assert found, page
    return "\n".join(found)
