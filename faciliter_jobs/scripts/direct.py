"""Has libraries' functions called by their own names.

A library's table is made anew at each call of a script, and looked into at each call of a function. So
`score.of_new(seq)` becomes `of_new(seq)`, and the table goes, unless that name means something else
anywhere in the script.
"""

from __future__ import annotations

import re

from .shake import INLINED, Library, code_of

Names = dict[str, str]  # score.of_new: of_new

_BARE = re.compile(r"(?<![.\w])[A-Za-z_]\w*")
_ENTRY = re.compile(r" +(\w+) = ([A-Za-z_]\w*),")
_MEMBER = re.compile(r"('[^'\n]*')|(?<![.\w])[a-z_]+\.\w+")


def direct_names(libraries: dict[str, Library], script: str) -> Names:
    """What can be called directly; takes it out of the libraries' tables."""
    words = {name: _words("\n".join(p.code for p in lib.pieces if p.kept)) for name, lib in libraries.items()}
    words[""] = _words(code_of(script))
    found: Names = {}
    for library in libraries.values():
        others = set().union(*(words[name] for name in words if name != library.name))
        for entry in library.table if library.name not in INLINED else ():
            named = _ENTRY.match(entry.lines[0][1])
            if named and entry.kept and named[2] not in others:
                found[f"{library.name}.{named[1]}"] = named[2]
                entry.kept = False
    return found


def _words(code: str) -> set[str]:
    return set(_BARE.findall(code))


def call_directly(code: str, names: Names) -> str:
    return _MEMBER.sub(lambda m: m[1] or names.get(m[0], m[0]), code)
