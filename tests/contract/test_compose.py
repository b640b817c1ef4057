"""How scripts and libraries are joined, and what every script must keep to."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import redis

from faciliter_jobs.errors import ScriptFailedError
from faciliter_jobs.scripts import Call, composed
from faciliter_jobs.scripts.compose import compose, includes_of, lua_folder, script_names
from faciliter_jobs.transport import translate
from tests.support.server import client_of

SCRIPTS = script_names()
FILES = sorted(path.relative_to(lua_folder()).as_posix() for path in lua_folder().rglob("*.lua"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lib").mkdir()

    def write(**files: str):
        for name, text in files.items():
            path = tmp_path / "lib" / name[4:] if name.startswith("lib_") else tmp_path / name
            path.with_suffix(".lua").write_text(text, "utf-8")
        return tmp_path

    return write


def _order(script) -> list[str]:
    return list(dict.fromkeys(file for file, _ in script.origin))


def test_a_library_stands_after_those_that_it_needs_and_before_those_that_need_it(folder):
    made = folder(
        main="-- include: upper, other\nreturn upper",
        lib_upper="-- include: base\nlocal upper = base",
        lib_base="local base = 1",
        lib_other="local other = 2",
    )
    assert _order(compose("main", made)) == [
        "lua/lib/base.lua", "lua/lib/upper.lua", "lua/lib/other.lua", "lua/main.lua",
    ]  # fmt: skip


def test_each_library_is_joined_once(folder):
    made = folder(
        main="-- include: a, b, base\nreturn 1",
        lib_a="-- include: base\nlocal a",
        lib_b="-- include: base\n-- include: a\nlocal b",
        lib_base="local base = 'only once'",
    )
    assert compose("main", made).text.count("only once") == 1


def test_what_is_not_included_is_left_out(folder):
    made = folder(main="return 1", lib_unused="local unused")
    assert compose("main", made).text == "return 1"


@pytest.mark.parametrize(
    ("libraries", "named"),
    [
        ({"lib_a": "-- include: b", "lib_b": "-- include: a"}, "a -> b -> a"),
        ({"lib_a": "-- include: a"}, "a -> a"),
        ({"lib_a": "-- include: b", "lib_b": "-- include: c", "lib_c": "-- include: b"}, "a -> b -> c -> b"),
    ],
)
def test_a_cycle_is_an_error_that_names_it(folder, libraries, named):
    made = folder(main="-- include: a\nreturn 1", **libraries)
    with pytest.raises(ValueError, match=f"include cycle: {named}$"):
        compose("main", made)


def test_an_unknown_library_is_an_error_that_names_it(folder):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.lua"):
        compose("main", folder(main="-- include: nowhere\nreturn 1"))


def test_a_library_may_be_swapped_with_its_own_needs(folder):
    made = folder(main="-- include: clock\nreturn NOW", lib_clock="local NOW = 1", lib_base="local base = 7")
    swapped = compose("main", made, swapped={"clock": "-- include: base\nlocal NOW = base"})
    assert "local NOW = 1" not in swapped.text
    assert _order(swapped) == ["lua/lib/base.lua", "lua/lib/clock.lua", "lua/main.lua"]


def test_the_line_map_has_each_line_of_the_whole(folder):
    made = folder(main="-- include: x\nreturn 1\n", lib_x="local x = {}\n\nx.y = 1\n")
    script = compose("main", made)
    assert len(script.origin) == len(script.text.splitlines()) == 5
    assert [script.locate(n) for n in range(1, 6)] == [
        "lua/lib/x.lua:1", "lua/lib/x.lua:2", "lua/lib/x.lua:3", "lua/main.lua:1", "lua/main.lua:2",
    ]  # fmt: skip
    assert script.locate(0) == script.locate(6) == "lua/main.lua"


def _line_of(error: Exception) -> int:
    found = re.search(r"user_script:(\d+)", str(error))
    assert found, error
    return int(found[1])


@pytest.mark.parametrize(
    ("files", "place"),
    [
        (
            {
                "main": "-- include: x\nreturn x.broken()",
                "lib_x": "local x = {}\n\nfunction x.broken()\n  return nil + 1\nend",
            },
            "lua/lib/x.lua:4",
        ),
        ({"main": "-- include: x\nlocal a = 1\nreturn a.b.c", "lib_x": "local x = {}"}, "lua/main.lua:3"),
    ],
)
def test_a_runtime_error_on_the_server_is_located_in_its_file(queue, folder, files, place):
    script = compose("main", folder(**files))
    with pytest.raises(redis.ResponseError) as raised:
        client_of(queue.config).eval(script.text, 1, queue.tag)
    assert script.locate(_line_of(raised.value)) == place


def test_an_error_of_a_script_names_the_script_and_the_lua_line(queue):
    with pytest.raises(ScriptFailedError, match=r"^read/stats: .*lua/read/stats\.lua:\d+") as raised:
        queue.transport.run(Call("read/stats", queue.tag, [], lambda reply: reply))
    assert "user_script" not in str(raised.value)


def test_an_error_of_a_library_names_the_library(queue):
    wrong = Call("cancel", queue.tag, [], lambda reply: reply)  # no job_id: keys.job can't make a name
    with pytest.raises(ScriptFailedError, match=r"lua/lib/\w+\.lua:\d+"):
        queue.transport.run(wrong)


def test_an_error_before_any_script_is_not_ascribed_to_one(queue):
    error = translate(redis.ResponseError("user_script:3: x"), queue.config)
    assert str(error) == "user_script:3: x"


# --- every script ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_server_compiles_it_and_knows_it_by_our_sha(queue, name):
    script = composed(name)
    assert client_of(queue.config).script_load(script.text) == script.sha


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_stays_under_lua_s_limit_of_200_locals_in_a_function(name):
    top_level = re.findall(r"^local (?:function )?([\w, ]+)", composed(name).text, re.MULTILINE)
    assert sum(line.count(",") + 1 for line in top_level) < 150


@pytest.mark.parametrize("file", FILES)
def test_a_file_includes_the_libraries_that_it_uses_and_no_others(file):
    text = (lua_folder() / file).read_text("utf-8")
    code = re.sub(r"--.*", "", text)
    tables = {path.stem for path in (lua_folder() / "lib").glob("*.lua")} - {"clock"}
    used = {name for name in re.findall(r"(?<![.\w'])([a-z]+)[.]\w", code) if name in tables}
    used |= {"clock"} if re.search(r"\b(?:NOW|STAMP)\b", code) else set()
    used |= {"go_on"} if "go_on" in includes_of(text) else set()
    used |= {"keys"} if re.search(r"\bTAG\b", code) else set()
    own = {file[4:-4]} if file.startswith("lib/") else set()
    assert set(includes_of(text)) == used - own - _locals(code)


def _locals(code: str) -> set[str]:
    return set(re.findall(r"\blocal (\w+) = (?!\{\})", code))


# Ranges to the end of a key, and commands that read a whole one: each with the reason why it is bounded.
BOUNDED = {
    ("lib/lanes.lua", "'ZRANGE', ring, -1, -1"): "one member, the last",
}
_UNBOUNDED = (
    r"'(?:KEYS|SCAN|HSCAN|SSCAN|ZSCAN|SMEMBERS|FLUSHDB|FLUSHALL|RANDOMKEY|SORT|DBSIZE)'",
    r"'[A-Z]+', [^\n]*, -1(?!,)[^\n]*\)",
    r"'ZR(?:EV)?RANGEBY(?:SCORE|LEX)'(?:(?!'LIMIT')[^)])*\)",
)
UNLIMITED_BY_SCORE = {
    "lib/index.lua": "index.between: the range is one chunk of 64 submission numbers",
}


@pytest.mark.parametrize("file", FILES)
def test_no_script_scans_or_reads_without_a_bound(file):
    """LESSONS 32, 34: every script takes a limit; no KEYS, no SCAN, no `0 -1`."""
    code = re.sub(r"--.*", "", (lua_folder() / file).read_text("utf-8"))
    found = [match for pattern in _UNBOUNDED for match in re.findall(pattern, code)]
    found = [text for text in found if not any(file == f and t and t in text for f, t in BOUNDED)]
    if file in UNLIMITED_BY_SCORE:
        assert len(found) == 1, "the exception is for one place"
        found = []
    assert found == []


@pytest.mark.parametrize("file", FILES)
def test_the_time_is_read_in_one_place(file):
    """LESSONS 39: the server's clock only."""
    code = (lua_folder() / file).read_text("utf-8")
    assert ("'TIME'" in code) == (file == "lib/clock.lua")
    assert "os.time" not in code and "os.clock" not in code


@pytest.mark.parametrize("file", FILES)
def test_a_key_name_is_made_in_one_place(file):
    code = re.sub(r"--.*", "", (lua_folder() / file).read_text("utf-8"))
    if file not in ("lib/keys.lua", "read/check_members.lua"):  # that one is given names to look at
        assert "TAG" not in code and "KEYS" not in code


@pytest.mark.skipif(shutil.which("luacheck") is None, reason="luacheck is not installed")
def test_luacheck_finds_nothing():
    checked = subprocess.run(
        ["luacheck", "-q", "lua"], cwd=lua_folder().parent, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
