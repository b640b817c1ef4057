"""Joins a script with the libraries that it includes, and maps the lines of the whole back to files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .direct import Names, call_directly, direct_names
from .inline import Functions, functions_of, inline
from .shake import Library, Line, shake

_INCLUDE = re.compile(r"^-- include: *(.+?) *$", re.MULTILINE)
_HERE = re.compile(r"^ +-- include here: *(.+?) *$", re.MULTILINE)
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
    return _names(_INCLUDE, text)


def includes_here_of(text: str) -> list[str]:
    """Libraries that are defined in a branch that is seldom taken. One that keeps something until it is
    flushed doesn't belong there, unless it is defined before: the branch would have its own."""
    return _names(_HERE, text)


def _names(pattern: re.Pattern[str], text: str) -> list[str]:
    return [name.strip() for line in pattern.findall(text) for name in line.split(",")]


def script_names(folder: Path | None = None) -> list[str]:
    """Every script, as `claim` or `read/list`."""
    folder = folder or lua_folder()
    found = [p for p in folder.rglob("*.lua") if p.parent.name != "lib"]
    return sorted(p.relative_to(folder).with_suffix("").as_posix() for p in found)


class _Joiner:
    """Puts together the lines of a script and of its libraries, each with where it comes from."""

    def __init__(self, name: str, folder: Path, swapped: dict[str, str]) -> None:
        self.lines: list[str] = []
        self.origin: list[tuple[str, int]] = []
        self._name = name
        self._folder = folder
        self._swapped = swapped
        self._libraries: dict[str, Library] = {}
        self._needs: dict[str, list[str]] = {}
        self._inlined: Functions = {}
        self._direct: Names = {}

    def join(self) -> None:
        text = (self._folder / f"{self._name}.lua").read_text("utf-8")
        for library in (*includes_of(text), *includes_here_of(text)):
            self._read(library, ())
        shake(self._libraries, text)
        self._direct = direct_names(self._libraries, text)
        present: set[str] = set()
        for library in includes_of(text):
            self._write(library, present)
        self._add(f"lua/{self._name}.lua", list(enumerate(text.splitlines(), 1)), present)

    def _read(self, name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"include cycle: {' -> '.join((*path, name))}")
        if name in self._libraries:
            return
        text = self._swapped.get(name) or (self._folder / "lib" / f"{name}.lua").read_text("utf-8")
        self._needs[name] = includes_of(text)
        for needed in (*self._needs[name], *includes_here_of(text)):
            self._read(needed, (*path, name))
        if name == "keys":
            self._inlined = functions_of(text)
        self._libraries[name] = Library.parse(name, text)

    def _write(self, name: str, present: set[str], margin: str = "") -> None:
        """A library after those that it needs itself, each once."""
        if name in present:
            return
        present.add(name)
        for needed in self._needs[name]:
            self._write(needed, present, margin)
        self._add(f"lua/lib/{name}.lua", self._libraries[name].kept_lines(), present, margin)

    def _add(self, file: str, lines: list[Line], present: set[str], margin: str = "") -> None:
        for number, line in lines:
            code, dashes, comment = line.partition("--")
            code = call_directly(inline(code, self._inlined), self._direct)
            self.lines.append(margin + code + dashes + comment)
            self.origin.append((file, number))
            in_branch = set(present)  # what is defined there isn't seen outside
            for library in includes_here_of(line):
                self._write(library, in_branch, margin + "  ")


def compose(name: str, folder: Path | None = None, swapped: dict[str, str] | None = None) -> Composed:
    """`swapped` replaces the text of libraries by name: tests use it to set the clock."""
    joiner = _Joiner(name, folder or lua_folder(), swapped or {})
    joiner.join()
    return Composed(name, "\n".join(joiner.lines), tuple(joiner.origin))


@cache
def composed(name: str) -> Composed:
    return compose(name)
