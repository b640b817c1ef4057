"""The entry point. What it imports at once needs no extra, so that a missing one can be named."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..errors import JobQueueError

_OF_THE_EXTRA = ("typer", "rich", "click")


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit codes: 0 done; 1 not found, refused, or findings; 2 wrong usage, or no server."""
    try:
        from .app import app
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _OF_THE_EXTRA:
            raise
        print(f"error: {missing} is missing: pip install 'faciliter-jobs[cli]'", file=sys.stderr)
        sys.exit(2)
    try:
        app(arguments, prog_name="faciliter-jobs")
    except JobQueueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
