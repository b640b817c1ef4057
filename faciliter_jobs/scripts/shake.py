"""Leaves out what a script doesn't use of its libraries.

A script runs its libraries' definitions at each call, and a definition that nobody uses costs as much
as one that somebody does. What is kept is found by name, from the script on. It relies on how the
libraries are written (tests/contract/test_compose.py holds them to it): each definition begins at the
first column and its other lines don't, but for the closing `end` or `}`; the last one is the table that
bears the library's name, an entry a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Line = tuple[int, str]  # number in its file, text

INLINED = {"keys"}

_WORD = re.compile(r"[A-Za-z_]\w*")
_MEMBER = re.compile(r"(?<![.\w])([a-z_]+)\.(\w+)")
_IGNORED = re.compile(r"'[^'\n]*'|--[^\n]*")
_DECLARED = re.compile(r"local (?:function )?([\w, ]+?)(?:\(| =|$)")
_ENTRY = re.compile(r" +(\w+) = ")


def code_of(text: str) -> str:
    """Without strings and comments."""
    return _IGNORED.sub("", text)


@dataclass
class _Piece:
    """A definition, or a statement (which has no names, and is always kept)."""

    lines: list[Line]
    names: list[str] = field(default_factory=list)
    kept: bool = False

    @property
    def code(self) -> str:
        return code_of("\n".join(text for _, text in self.lines))


@dataclass
class Library:
    """A library's text, taken apart."""

    name: str
    pieces: list[_Piece]
    table: list[_Piece]  # its entries
    table_lines: list[Line]  # the first and the last
    included: bool = False

    @classmethod
    def parse(cls, name: str, text: str) -> Library:
        pieces: list[_Piece] = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("--"):
                continue
            if pieces and re.match(r"\s|end\b|\}", line):
                pieces[-1].lines.append((number, line))
            else:
                declared = _DECLARED.match(line)
                names = [n.strip() for n in declared[1].split(",")] if declared else []
                pieces.append(_Piece([(number, line)], names))
        if not pieces or pieces[-1].names != [name]:
            return cls(name, pieces, [], [])
        return cls(name, pieces[:-1], *_entries(pieces[-1].lines))

    def kept_lines(self) -> list[Line]:
        lines = [line for piece in self.pieces if piece.kept for line in piece.lines]
        entries = [line for entry in self.table if entry.kept for line in entry.lines]
        if entries:
            lines += [self.table_lines[0], *entries, self.table_lines[1]]
        return lines


def _entries(lines: list[Line]) -> tuple[list[_Piece], list[Line]]:
    number, text = lines[0]
    if len(lines) == 1:  # local expiry = { a = b, c = d }
        head, _, rest = text.partition("{")
        inside = rest.rpartition("}")[0]
        parts = [part.strip() for part in inside.split(",") if part.strip()]
        entries = [_Piece([(number, f"  {part},")], [part.split()[0]]) for part in parts]
        return entries, [(number, head + "{"), (number, "}")]
    entries = []
    for line in lines[1:-1]:
        entry = _ENTRY.match(line[1])
        if entry:
            entries.append(_Piece([line], [entry[1]]))
    return entries, [lines[0], lines[-1]]


def shake(libraries: dict[str, Library], script: str) -> None:
    """Marks what `script` uses, itself or by what it uses."""

    def use(code: str, own: Library | None) -> None:
        for name, member in _MEMBER.findall(code):
            other = libraries.get(name)
            if other is not None and name not in INLINED:
                for entry in other.table:
                    if member in entry.names:
                        keep(entry, other)
        words = set(_WORD.findall(code)) | ({"TAG"} if "keys." in code else set())
        for library in libraries.values():
            for piece in library.pieces:
                # TAG, NOW and STAMP are for all; other names are their library's own.
                if any(n in words and (library is own or n.isupper()) for n in piece.names):
                    keep(piece, library)

    def keep(piece: _Piece, library: Library) -> None:
        if not piece.kept:
            piece.kept = True
            use(piece.code, library)

    for library in libraries.values():
        for piece in library.pieces:
            if not piece.names:
                keep(piece, library)
    use(code_of(script), None)
