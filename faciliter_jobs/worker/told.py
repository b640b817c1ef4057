"""Attempts that a worker was told of before it has started them."""

from __future__ import annotations

_MOST = 1000


class Told:
    """A dict's single steps are atomic, and there are no others here: safe between threads."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}  # by token

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def add(self, token: str, reason: str) -> None:
        if len(self._reasons) >= _MOST:  # of attempts that had ended already
            self._reasons.clear()
        self._reasons[token] = reason

    def take(self, token: str) -> str | None:
        return self._reasons.pop(token, None)
