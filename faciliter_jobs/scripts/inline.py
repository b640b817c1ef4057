"""Writes the functions of lua/lib/keys.lua into the places that call them.

A script makes its closures anew at each call; two dozen of them for the names of keys would take as
long as two or three commands. So `keys.job(id)` becomes `(TAG .. 'job:' .. id)`.
"""

from __future__ import annotations

import re

_FUNCTION = re.compile(r"^  (\w+) = function\((.*?)\) return (.*) end,", re.MULTILINE)
_STRING = re.compile(r"('[^'\n]*')")

Functions = dict[str, tuple[list[str], str]]  # name: parameters, expression


def functions_of(text: str) -> Functions:
    return {
        name: ([p.strip() for p in parameters.split(",") if p.strip()], expression)
        for name, parameters, expression in _FUNCTION.findall(text)
    }


def inline(code: str, functions: Functions) -> str:
    """A line of code without calls of `keys.<name>(...)`; innermost last."""
    line = code
    while call := re.search(r"\bkeys\.(\w+)\(", code):
        end, arguments = _arguments(code, call.end())
        parameters, expression = functions[call[1]]
        if len(arguments) != len(parameters):
            raise ValueError(f"keys.{call[1]}: {len(arguments)} arguments, not {len(parameters)}: {line}")
        code = f"{code[: call.start()]}({_fill(expression, dict(zip(parameters, arguments)))}){code[end:]}"
    return code


def _arguments(code: str, start: int) -> tuple[int, list[str]]:
    """The arguments of the call whose bracket opens before `start`, and where it ends."""
    depth, last, found = 0, start, []
    quoted = False
    for at in range(start, len(code)):
        sign = code[at]
        if sign == "'":
            quoted = not quoted
        elif not quoted and sign in "([{":
            depth += 1
        elif not quoted and sign in ")]}" and depth:
            depth -= 1
        elif not quoted and sign in ",)" and not depth:
            found.append(code[last:at].strip())
            last = at + 1
            if sign == ")":
                return at + 1, [argument for argument in found if argument]
    raise ValueError(f"a call of keys must stand on one line: {code}")


def _fill(expression: str, values: dict[str, str]) -> str:
    def one(word: re.Match[str]) -> str:
        value = values.get(word[0])
        return word[0] if value is None else value if re.fullmatch(r"[\w.]+", value) else f"({value})"

    parts = _STRING.split(expression)  # every second one is a string
    parts[::2] = [re.sub(r"\b[a-z]\w*\b", one, part) for part in parts[::2]]
    return "".join(parts)
