"""A CSV file to an XLSX workbook, in pieces between which its progress can be told."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from functools import partial
from typing import cast

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from .columns import DATE, TEXT, ColumnType, type_of

_WIDEST = 60  # of a column, in characters
_LONGEST_CELL = 32_767  # Excel's limit; openpyxl would cut without a word
_LONGEST_TITLE = 31
_NOT_IN_TITLES = str.maketrans(dict.fromkeys("[]:*?/\\", "_"))


class Conversion:
    """Run all `steps` in order, then take `xlsx`.

    Raises ValueError, naming the line, for what isn't a CSV table.
    """

    def __init__(self, content: bytes, title: str, blocks: int = 7) -> None:
        self.rows = 0
        self.column_types: list[ColumnType] = []
        self.xlsx = b""
        self._content = content
        self._header: list[str] = []
        self._records: list[list[str]] = []
        self._book = Workbook()
        self._sheet: Worksheet = self._book.worksheets[0]
        self._sheet.title = title.translate(_NOT_IN_TITLES)[:_LONGEST_TITLE] or "Sheet1"
        self.steps: list[Callable[[], None]] = [
            self._read,
            self._recognise,
            *(partial(self._write_block, i, blocks) for i in range(blocks)),
            self._finish,
        ]

    def _read(self) -> None:
        text = self._content.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            for record in reader:
                if record:
                    self._take(record, reader.line_num)
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
        if not self._header:
            raise ValueError("the file is empty: expected a header row")
        self.rows = len(self._records)

    def _take(self, record: list[str], line: int) -> None:
        if not self._header:
            self._header = record
            return
        if len(record) != len(self._header):
            raise ValueError(f"line {line}: {len(record)} cells, but the header has {len(self._header)}")
        if any(len(cell) > _LONGEST_CELL for cell in record):
            raise ValueError(f"line {line}: a cell is longer than {_LONGEST_CELL} characters")
        self._records.append(record)

    def _recognise(self) -> None:
        columns = range(len(self._header))
        self.column_types = [type_of(record[i] for record in self._records) for i in columns]
        for i, name in enumerate(self._header):
            cell = self._cell(1, i + 1)
            _put_text(cell, name)
            cell.font = Font(bold=True)
        self._sheet.freeze_panes = "A2"

    def _write_block(self, block: int, blocks: int) -> None:
        first, end = (len(self._records) * n // blocks for n in (block, block + 1))
        for row in range(first, end):
            for i, (text, kind) in enumerate(zip(self._records[row], self.column_types)):
                if text:
                    _put(self._cell(row + 2, i + 1), text, kind)

    def _cell(self, row: int, column: int) -> Cell:
        return cast(Cell, self._sheet.cell(row, column))  # a MergedCell only where cells are merged

    def _finish(self) -> None:
        for i, name in enumerate(self._header):
            longest = max((len(record[i]) for record in self._records), default=0)
            width = min(_WIDEST, max(longest, len(name)) + 2)
            self._sheet.column_dimensions[get_column_letter(i + 1)].width = width
        out = io.BytesIO()
        self._book.save(out)
        self.xlsx = out.getvalue()


def _put(cell: Cell, text: str, kind: ColumnType) -> None:
    if kind is TEXT:
        _put_text(cell, text)
        return
    cell.value = kind.read(text)
    if kind is DATE:
        cell.number_format = kind.number_format


def _put_text(cell: Cell, text: str) -> None:
    """As text, whatever it looks like: `=1+1` in a CSV file is no formula."""
    cell.value = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", text)
    cell.data_type = "s"


def convert(content: bytes, title: str = "Sheet1") -> bytes:
    """All at once."""
    conversion = Conversion(content, title)
    for step in conversion.steps:
        step()
    return conversion.xlsx
