"""Joins a script with the libraries that it includes, and maps the lines of the whole back to files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_INCLUDE = re.compile(r"^-- include: *(.+?) *$", re.MULTILINE)
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Composed:
    """A script ready to be registered. `origin[n]` is (file, line) of line n + 1."""

    name: str
    text: str
    origin: tuple[tuple[str, int], ...]

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.text.encode()).hexdigest()

    def locate(self, line: int) -> str:
        """`lua/claim.lua:41` for a line number in an error of the server."""
        if not 1 <= line <= len(self.origin):
            return f"lua/{self.name}.lua"
        file, number = self.origin[line - 1]
        return f"{file}:{number}"


def lua_folder() -> Path:
    """In a wheel `lua/` is inside the package; in a checkout it stands beside it."""
    for folder in (_PACKAGE / "lua", _PACKAGE.parent / "lua"):
        if (folder / "submit.lua").is_file():
            return folder
    raise FileNotFoundError(f"the Lua scripts are missing: no lua/ in or beside {_PACKAGE}")


def includes_of(text: str) -> list[str]:
    return [name.strip() for line in _INCLUDE.findall(text) for name in line.split(",")]


def script_names(folder: Path | None = None) -> list[str]:
    """Every script, as `claim` or `read/list`."""
    folder = folder or lua_folder()
    found = [p for p in folder.rglob("*.lua") if p.parent.name != "lib"]
    return sorted(p.relative_to(folder).with_suffix("").as_posix() for p in found)


def _order(name: str, folder: Path, swapped: dict[str, str]) -> list[tuple[str, str]]:
    """The libraries that a script needs, each after those that it needs itself: (file, text)."""
    ordered: dict[str, str] = {}

    def visit(library: str, path: tuple[str, ...]) -> None:
        file = f"lua/lib/{library}.lua"
        if file in ordered:
            return
        if library in path:
            raise ValueError(f"include cycle: {' -> '.join((*path, library))}")
        text = swapped.get(library) or (folder / "lib" / f"{library}.lua").read_text("utf-8")
        for needed in includes_of(text):
            visit(needed, (*path, library))
        ordered[file] = text

    text = (folder / f"{name}.lua").read_text("utf-8")
    for library in includes_of(text):
        visit(library, ())
    return [*ordered.items(), (f"lua/{name}.lua", text)]


def compose(name: str, folder: Path | None = None, swapped: dict[str, str] | None = None) -> Composed:
    """`swapped` replaces the text of libraries by name: tests use it to set the clock."""
    lines: list[str] = []
    origin: list[tuple[str, int]] = []
    for file, text in _order(name, folder or lua_folder(), swapped or {}):
        for number, line in enumerate(text.splitlines(), 1):
            lines.append(line)
            origin.append((file, number))
    return Composed(name, "\n".join(lines), tuple(origin))


@cache
def composed(name: str) -> Composed:
    return compose(name)
