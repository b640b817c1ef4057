"""Attempts that a worker was told of before it has started them."""

from __future__ import annotations

_MOST = 1000


class Told:
    """A dict's single steps are atomic, and there are no others here: safe between threads."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}  # by token; mostly there is none

    def add(self, token: str, reason: str) -> None:
        if len(self.reasons) >= _MOST:  # of attempts that had ended already
            self.reasons.clear()
        self.reasons[token] = reason

    def take(self, token: str) -> str | None:
        return self.reasons.pop(token, None)
