"""The examples of the documentation, for the tests that run them."""

from __future__ import annotations

import re
from pathlib import Path

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str) -> list[str]:
    """The Python blocks of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```$", (_DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def examples(page: str) -> str:
    """All of them, as one module."""
    found = blocks(page)
    assert found, page
    return "\n".join(found)
