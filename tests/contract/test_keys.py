"""Key names: the same in Python and Lua, in one slot, and never taken for another's."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from faciliter_jobs import keys
from faciliter_jobs.scripts.compose import compose, lua_folder

HOSTILE = [
    "plain",
    "{other}",
    "}{",
    "}",
    "{}",
    "a:b:c",
    ":",
    "1:a",
    "line\nbreak\r\n",
    "nul\0byte",
    "emoji 🦆",
    "*?[a-z]\\",
    "  ",
    "'\"%s$(x)",
    "\x7f\x80\xff",
    "0",
    "both:1:a:b",
    "x" * 512,
]

# Calls functions of lua/lib/keys.lua: ARGV is the name and arguments, call by call, each with a count.
_CALLER = """-- include: keys
local calls = {
  CALLS
}
local names, at = {}, 1
while ARGV[at] do
  local count = tonumber(ARGV[at + 1])
  names[#names + 1] = calls[ARGV[at]](unpack(ARGV, at + 2, at + 1 + count))
  at = at + 2 + count
end
return names"""

# function of keys.lua -> how many free strings it takes
FAMILIES = {
    "job": 1,
    "done": 1,
    "lane": 3,
    "ring": 2,
    "parked_for": 1,
    "inbox": 1,
    "processing": 1,
    "worker": 1,
    "tell": 1,
    "finished": 1,
    "index_company": 1,
    "index_user": 1,
    "index_away": 1,
    "index_both": 2,
    "quarantine": 2,
    "named": 1,
}
SINGLE = (
    "seq", "meta", "homes", "index", "scheduled", "leases", "expiry", "types", "workers", "parked", "waited",
)  # fmt: skip


@pytest.fixture(scope="module")
def lua_names(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lua")
    (folder / "lib").symlink_to(lua_folder() / "lib")
    counts = FAMILIES | dict.fromkeys(SINGLE, 0)
    names = {name: ", ".join("abc"[:count]) for name, count in counts.items()}
    calls = [f"{name} = function({given}) return keys.{name}({given}) end," for name, given in names.items()]
    (folder / "names.lua").write_text(_CALLER.replace("CALLS", "\n  ".join(calls)))
    text = compose("names", folder).text
    client = server.client()

    def names(tag: str, *calls: tuple[str, ...]) -> list[bytes]:
        argv = [part for name, *arguments in calls for part in (name, len(arguments), *arguments)]
        return client.eval(text, 1, tag, *argv)

    yield names
    client.close()


def _encode(text: str) -> str | bytes:
    return text.encode("latin-1") if text == "\x7f\x80\xff" else text  # bytes that aren't UTF-8


@pytest.mark.parametrize(("prefix", "shard", "tag"), [("jobs:", None, "{jobs:}"), ("jobs:", 3, "{jobs:3}")])
def test_the_tag_is_the_prefix_in_braces(prefix, shard, tag):
    assert keys.tag(prefix, shard) == tag


@pytest.mark.parametrize("text", HOSTILE)
def test_python_makes_the_names_that_lua_makes(lua_names, text):
    tag = keys.tag("jobs:")
    made = lua_names(
        tag, ("job", text), ("inbox", text), ("processing", text), ("tell", text), ("done", text), ("meta",)
    )
    ours = [make(tag, text) for make in (keys.job, keys.inbox, keys.processing, keys.tell, keys.done)]
    ours.append(keys.meta(tag))
    assert made == [name.encode() for name in ours]


def test_this_table_has_every_name_of_keys_lua():
    text = (lua_folder() / "lib" / "keys.lua").read_text()
    functions = re.findall(r"^  (\w+) = function\((.*?)\)", text, re.MULTILINE)
    assert {name for name, arguments in functions if arguments} == set(FAMILIES)
    assert {name for name, arguments in functions if not arguments} == set(SINGLE)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("prefix", ["jobs:", "a b", "é", "prefix\n"])
def test_no_string_of_a_user_moves_a_key_to_another_slot(lua_names, text, prefix):
    """LESSONS 26."""
    tag = keys.tag(prefix)
    value = _encode(text)
    calls = [(name, *[value] * count) for name, count in FAMILIES.items()]
    made = lua_names(tag, *calls, *((name,) for name in SINGLE))
    assert {key_slot(name) for name in made} == {key_slot(tag.encode())}
    assert all(name.startswith(tag.encode()) for name in made)


def test_no_two_families_share_a_name(lua_names):
    tag = keys.tag("jobs:")
    words = ["a", "1:a", "company:a", "both:1:a:b", "user:a", "workers", "", "0:1:t:a"]
    made: dict[bytes, tuple[str, ...]] = {}
    calls = [(name,) for name in SINGLE]
    calls += [(name, word) for name, count in FAMILIES.items() if count == 1 for word in words]
    calls += [("index_both", a, b) for a in words for b in words]
    # A level is a digit, and a type is never empty.
    calls += [("ring", "0", a) for a in words if a] + [("lane", "0", a, b) for a in words if a for b in words]
    calls = [c for c in calls if c[0] not in ("finished", "named")]
    calls += [("finished", status) for status in ("completed", "failed", "cancelled")]
    for call, name in zip(calls, lua_names(tag, *calls)):
        assert made.setdefault(name, call) == call, f"{call} and {made[name]} share {name!r}"


_TEXT = st.text(st.sampled_from("ab1:{}\0\né"), max_size=6)
_HYPOTHESIS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@_HYPOTHESIS
@given(a=st.tuples(_TEXT, _TEXT), b=st.tuples(_TEXT, _TEXT))
def test_two_pairs_of_company_and_user_never_share_an_index(lua_names, a, b):
    one, other = lua_names("{t}", ("index_both", *a), ("index_both", *b))
    assert (one == other) == (a == b)


@_HYPOTHESIS
@given(a=st.tuples(_TEXT, _TEXT), b=st.tuples(_TEXT, _TEXT))
def test_two_pairs_of_type_and_company_never_share_a_lane(lua_names, a, b):
    one, other = lua_names("{t}", ("lane", "0", *a), ("lane", "0", *b))
    assert (one == other) == (a == b)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text != "\x7f\x80\xff"])
def test_a_queue_keeps_hostile_companies_and_users_apart(stage, text):
    stage.submit(company=text, user=text)
    stage.submit(company=text + ":", user="u")
    stage.submit(company="u", user=text)
    found = stage.queue.list_jobs(company_id=text, user_id=text)
    assert [(job.company_id, job.user_id) for job in found] == [(text, text)]
    assert len(stage.claim(10)) == 3
