"""What a column of a CSV file holds. A column has one type: one odd cell makes all of it text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

Cell = str | int | float | date | None

# A number with leading zeros (a postal code, an article number) isn't one: it would lose them.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EXACT_DIGITS = 15  # a spreadsheet's numbers are doubles
_FIRST_DATE = date(1900, 3, 1)  # a spreadsheet has none before 1900, and a wrong leap day in it


@dataclass(frozen=True)
class ColumnType:
    name: str
    read: Callable[[str], Cell]  # raises ValueError for what isn't of this type
    number_format: str = "General"


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text) or len(text.lstrip("-")) > _EXACT_DIGITS:
        raise ValueError(text)
    return int(text)


def _decimal(text: str) -> float:
    digits = sum(c.isdigit() for c in re.split("[eE]", text)[0])
    if not _DECIMAL.fullmatch(text) or digits > _EXACT_DIGITS:
        raise ValueError(text)
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _iso_date(text: str) -> date:
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(text)
    found = date.fromisoformat(text)
    if found < _FIRST_DATE:
        raise ValueError(text)
    return found


INTEGER = ColumnType("integer", _integer)
DECIMAL = ColumnType("decimal", _decimal)
DATE = ColumnType("date", _iso_date, "yyyy-mm-dd")
TEXT = ColumnType("text", str, "@")


def type_of(cells: Iterable[str]) -> ColumnType:
    """The narrowest type that all cells fit; empty ones fit any."""
    given = [cell for cell in cells if cell]
    for kind in (INTEGER, DECIMAL, DATE):
        if given and _all_fit(kind, given):
            return kind
    return TEXT


def _all_fit(kind: ColumnType, cells: Iterable[str]) -> bool:
    try:
        for cell in cells:
            kind.read(cell)
    except ValueError:
        return False
    return True
