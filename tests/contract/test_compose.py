"""How scripts and libraries are joined, and what every script must keep to."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import redis

from faciliter_jobs.errors import ScriptFailedError
from faciliter_jobs.scripts import Call, composed
from faciliter_jobs.scripts.compose import (
    compose,
    includes_here_of,
    includes_of,
    lua_folder,
    script_names,
)
from faciliter_jobs.scripts.shake import Library, code_of
from faciliter_jobs.transport import translate
from tests.support.server import client_of

SCRIPTS = script_names()
FILES = sorted(path.relative_to(lua_folder()).as_posix() for path in lua_folder().rglob("*.lua"))


def _text(file: str) -> str:
    return (lua_folder() / file).read_text("utf-8")


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
        main="-- include: upper, other\nreturn upper.a + other.b",
        lib_upper="-- include: base\nlocal upper = { a = base.x }",
        lib_base="local base = { x = 1 }",
        lib_other="local other = { b = 2 }",
    )
    assert _order(compose("main", made)) == [
        "lua/lib/base.lua", "lua/lib/upper.lua", "lua/lib/other.lua", "lua/main.lua",
    ]  # fmt: skip


def test_each_library_is_joined_once(folder):
    made = folder(
        main="-- include: a, b, base\nreturn a.x + b.y + base.z",
        lib_a="-- include: base\nlocal a = { x = base.z }",
        lib_b="-- include: base\n-- include: a\nlocal b = { y = base.z }",
        lib_base="local base = { z = 7 }",
    )
    assert compose("main", made).text.count("z = 7") == 1


def test_what_a_script_does_not_use_of_a_library_is_left_out(folder):
    library = """local LIMIT, OTHER = 1, 2
local UNUSED = 3

local function helper(x)
  return x + LIMIT
end

local function used(x) return helper(x) end

local function unused(x)
  return helper(UNUSED)
end

local lib = {
  used = used,
  unused = unused, -- 'used' in a comment or a string doesn't count
}
"""
    whole = compose("main", folder(main="-- include: lib\nreturn lib.used('lib.unused')", lib_lib=library))
    assert whole.text.splitlines() == [
        "local LIMIT, OTHER = 1, 2",
        "local function helper(x)",
        "  return x + LIMIT",
        "end",
        "local function used(x) return helper(x) end",
        "-- include: lib",
        "return used('lib.unused')",
    ]
    assert whole.locate(5) == "lua/lib/lib.lua:8"


def test_a_function_is_called_through_its_library_where_its_name_means_something_else(folder):
    made = folder(
        main="-- include: a\nlocal two = a.two(1) + a.one(2) -- a.one\nreturn two",
        lib_a="local function one(x) return x end\nlocal function two(x) return one(x) end\n"
        "local a = { one = one, two = two }",
    )
    assert compose("main", made).text.splitlines() == [
        "local function one(x) return x end",
        "local function two(x) return one(x) end",
        "local a = {",
        "  two = two,",
        "}",
        "-- include: a",
        "local two = a.two(1) + one(2) -- a.one",
        "return two",
    ]


def test_a_library_s_statements_and_what_they_use_are_kept(folder):
    library = "local function go() return 1 end\nlocal function stay() return 2 end\ngo()\nlocal lib = {}\n"
    whole = compose("main", folder(main="-- include: lib\nreturn 1", lib_lib=library))
    assert whole.text.splitlines()[:2] == ["local function go() return 1 end", "go()"]
    assert "stay" not in whole.text


def test_a_library_may_be_defined_in_the_branch_that_needs_it(folder):
    made = folder(
        main="-- include: base\nif base.x then\n  -- include here: upper\n  return upper.y\nend\nreturn 1",
        lib_upper="-- include: base, other\nlocal upper = { y = base.x + other.z }",
        lib_base="local base = { x = 1 }",
        lib_other="local other = { z = 2 }",
    )
    whole = compose("main", made)
    assert [file for file, _ in whole.origin] == [
        "lua/lib/base.lua", "lua/lib/base.lua", "lua/lib/base.lua", *["lua/main.lua"] * 3,
        *["lua/lib/other.lua"] * 3, *["lua/lib/upper.lua"] * 3, *["lua/main.lua"] * 3,
    ]  # fmt: skip


def test_a_library_may_itself_define_one_in_a_branch(folder):
    made = folder(
        main="-- include: upper\nreturn upper.y(ARGV[1])",
        lib_upper="-- include: base\nlocal function y(x)\n  if x then\n    -- include here: rare\n"
        "    return rare.z\n  end\n  return base.x\nend\n\nlocal upper = { y = y }",
        lib_rare="-- include: base\nlocal rare = { z = base.x }",
        lib_base="local base = { x = 1 }",
    )
    assert compose("main", made).text.splitlines()[3:11] == [
        "local function y(x)", "  if x then", "    -- include here: rare",
        "  local rare = {", "    z = base.x,", "  }", "    return rare.z", "  end",
    ]  # fmt: skip


def test_two_branches_see_nothing_of_each_other(folder):
    made = folder(
        main="if ARGV[1] then\n  -- include here: one\n  return one.x\nelse\n"
        "  -- include here: two\n  return two.x\nend",
        lib_one="-- include: base\nlocal one = { x = base.x }",
        lib_two="-- include: base\nlocal two = { x = base.x }",
        lib_base="local base = { x = 7 }",
    )
    assert compose("main", made).text.count("x = 7") == 2


KEYS_LIBRARY = """local TAG = KEYS[1]

local keys = {
  seq = function() return TAG .. 'seq' end,

  job = function(id) return TAG .. 'job:' .. id end,

  pair = function(one, two) return TAG .. #one .. ':one:' .. one .. two end,
}
"""


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("return keys.seq()", "return (TAG .. 'seq')"),
        ("return keys.job(job.id)", "return (TAG .. 'job:' .. job.id)"),
        ("f(keys.job(a or 'x, (y'), 1)", "f((TAG .. 'job:' .. (a or 'x, (y')), 1)"),
        ("keys.pair(two, g(one)) -- keys.no()", "(TAG .. #two .. ':one:' .. two .. (g(one))) -- keys.no()"),
        ("keys.job(keys.job(x))", "(TAG .. 'job:' .. ((TAG .. 'job:' .. x)))"),
    ],
)  # fmt: skip
def test_names_of_keys_are_written_into_their_places(folder, code, written):
    whole = compose("main", folder(main=f"-- include: keys\n{code}", lib_keys=KEYS_LIBRARY))
    assert whole.text.splitlines() == ["local TAG = KEYS[1]", "-- include: keys", written]


@pytest.mark.parametrize(
    ("code", "named"), [("keys.job()", "0 arguments, not 1"), ("keys.job(a,\n b)", "on one line")]
)
def test_a_wrong_call_of_keys_is_an_error(folder, code, named):
    made = folder(main=f"-- include: keys\n{code}", lib_keys=KEYS_LIBRARY)
    with pytest.raises(ValueError, match=named):
        compose("main", made)


def test_what_is_not_included_is_left_out(folder):
    made = folder(main="return 1", lib_unused="local unused = {}")
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
    made = folder(
        main="-- include: clock\nreturn NOW", lib_clock="local NOW = 1", lib_base="local base = { x = 7 }"
    )
    swapped = compose("main", made, swapped={"clock": "-- include: base\nlocal NOW = base.x"})
    assert "local NOW = 1" not in swapped.text
    assert _order(swapped) == ["lua/lib/base.lua", "lua/lib/clock.lua", "lua/main.lua"]


def test_the_line_map_has_each_line_of_the_whole(folder):
    made = folder(
        main="-- include: x\nreturn x.y\n", lib_x="-- Text.\n\nlocal A = 1\n\nlocal x = {\n  y = A + 1,\n}\n"
    )
    script = compose("main", made)
    assert len(script.origin) == len(script.text.splitlines()) == 6
    assert [script.locate(n) for n in range(1, 7)] == [
        "lua/lib/x.lua:3", "lua/lib/x.lua:5", "lua/lib/x.lua:6", "lua/lib/x.lua:7",
        "lua/main.lua:1", "lua/main.lua:2",
    ]  # fmt: skip
    assert script.locate(0) == script.locate(7) == "lua/main.lua"


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
                "lib_x": "local function broken()\n\n  return nil + 1\nend\nlocal x = { broken = broken }",
            },
            "lua/lib/x.lua:3",
        ),
        (
            {
                "main": "-- include: x\nlocal a = x.y\nreturn a.b.c",
                "lib_x": "local x = { y = 1 }",
            },
            "lua/main.lua:3",
        ),
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
    text = _text(file)
    code = re.sub(r"--.*", "", text)
    tables = {path.stem for path in (lua_folder() / "lib").glob("*.lua")} - {"clock"}
    used = {name for name in re.findall(r"(?<![.\w'])([a-z_]+)[.]\w", code) if name in tables}
    used |= {"clock"} if re.search(r"\b(?:NOW|STAMP)\b", code) else set()
    used |= {"go_on"} if "go_on" in includes_of(text) else set()
    used |= {"keys"} if re.search(r"\bTAG\b", code) else set()
    own = {file[4:-4]} if file.startswith("lib/") else set()
    here = set(includes_here_of(text))
    assert not here & set(includes_of(text))
    assert set(includes_of(text)) | here == used - own - _locals(code)


@pytest.mark.parametrize("path", sorted((lua_folder() / "lib").glob("*.lua")), ids=lambda path: path.stem)
def test_a_library_is_written_so_that_it_can_be_taken_apart(path):
    text = path.read_text("utf-8")
    library = Library.parse(path.stem, text)
    for piece in (*library.pieces, *library.table):
        piece.kept = True
    kept = [line for _, line in library.kept_lines() if not line.strip().startswith("--")]
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("--")]
    if code[-1] == "}":
        assert kept == code
    else:  # the table stands on one line
        assert kept[: len(code) - 1] == code[:-1]
    assert library.table or path.stem in ("clock", "go_on")


@pytest.mark.parametrize("file", [file for file in FILES if includes_here_of(_text(file))])
def test_a_branch_hides_none_of_the_names_around_it(file):
    """What a library defines in a branch is in the way of a name of the file's own there."""
    words = set(re.findall(r"(?<![.\w])[a-z_]\w*", code_of(_text(file))))
    there, coming = set(includes_of(_text(file))), includes_here_of(_text(file))
    while coming:
        name = coming.pop()
        if name not in there:
            there.add(name)
            coming += includes_of(_text(f"lib/{name}.lua"))
            for piece in Library.parse(name, _text(f"lib/{name}.lua")).pieces:
                assert not words & set(piece.names), name


@pytest.mark.skipif(shutil.which("luacheck") is None, reason="luacheck is not installed")
def test_no_script_uses_what_was_left_out(tmp_path):
    for name in SCRIPTS:
        (tmp_path / f"{name.replace('/', '-')}.lua").write_text(compose(name).text + "\n", "utf-8")
    options = ["--std", "lua51", "--globals", "redis", "--read-globals", "KEYS", "ARGV", "cmsgpack"]
    options += ["--no-unused", "--no-redefined", "--no-max-line-length", "--no-color"]
    found = subprocess.run(
        ["luacheck", "-q", *options, tmp_path], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout


def _locals(code: str) -> set[str]:
    return set(re.findall(r"\blocal (\w+) = (?!\{\})", code))


# Ranges to the end of a key, and commands that read a whole one: each with the reason why it is bounded.
BOUNDED = {
    ("lib/lanes.lua", "'ZRANGE', ring, -1, -1"): "one member, the last",
}
_UNBOUNDED = (
    r"'(?:KEYS|SCAN|HSCAN|SSCAN|ZSCAN|SMEMBERS|FLUSHDB|FLUSHALL|RANDOMKEY|SORT|DBSIZE)'",
    r"'[A-Z]+', [^\n]*, -1(?!,)[^\n]*\)",
    r"'Z(?:REV)?RANGEBY(?:SCORE|LEX)'(?:(?!'LIMIT')(?:[^()]|\([^()]*\)))*\)",
)
UNLIMITED_BY_SCORE = {
    "lib/index.lua": "index.between: the range is one chunk of 64 submission numbers",
}


@pytest.mark.parametrize("file", FILES)
def test_no_script_scans_or_reads_without_a_bound(file):
    """LESSONS 32, 34: every script takes a limit; no KEYS, no SCAN, no `0 -1`."""
    code = re.sub(r"--.*", "", _text(file))
    found = [match for pattern in _UNBOUNDED for match in re.findall(pattern, code)]
    found = [text for text in found if not any(file == f and t and t in text for f, t in BOUNDED)]
    if file in UNLIMITED_BY_SCORE:
        assert len(found) == 1, "the exception is for one place"
        found = []
    assert found == []


@pytest.mark.parametrize("file", FILES)
def test_the_time_is_read_in_one_place(file):
    """LESSONS 39: the server's clock only."""
    code = _text(file)
    assert ("'TIME'" in code) == (file == "lib/clock.lua")
    assert "os.time" not in code and "os.clock" not in code


@pytest.mark.parametrize("microseconds", [0, 7, 99, 999, 1_000, 54_321, 99_999, 100_000, 987_654, 999_999])
def test_the_clock_counts_milliseconds(server, microseconds):
    """TIME gives the microseconds without the zeros in front."""
    clock = (lua_folder() / "lib" / "clock.lua").read_text("utf-8")
    stopped = clock.replace("redis.call('TIME')", f"{{ '1700000000', '{microseconds}' }}")
    with server.client() as client:
        stamp, now = client.eval(f"{stopped}\nreturn {{ STAMP, NOW }}", 0)
    assert int(stamp) == now == 1_700_000_000_000 + microseconds // 1000


@pytest.mark.parametrize("file", FILES)
def test_a_key_name_is_made_in_one_place(file):
    code = re.sub(r"--.*", "", _text(file))
    if file != "lib/keys.lua":
        assert "TAG" not in code and "KEYS" not in code


@pytest.mark.skipif(shutil.which("luacheck") is None, reason="luacheck is not installed")
def test_luacheck_finds_nothing():
    checked = subprocess.run(
        ["luacheck", "-q", "lua"], cwd=lua_folder().parent, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
