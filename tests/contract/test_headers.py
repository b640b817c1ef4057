"""Each script's header, its declaration in Python and its own code say the same."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, replace

import msgpack
import pytest

from faciliter_jobs import scripts
from faciliter_jobs.job import TRANSITIONS, JobStatus
from faciliter_jobs.scripts import NewJob, Outcome
from faciliter_jobs.scripts.compose import lua_folder, script_names
from faciliter_jobs.scripts.submit import MORE
from tests.support.contract import DELEGATES

SCRIPTS = script_names()
TRANSITION_SCRIPTS = [name for name in SCRIPTS if not name.startswith("read/")]
DECLARED_AS = {"read/list": "list_jobs", "read/get": "get_job"}
READERS = {"read"}  # parameters that say how a reply is read
LABELS = ("PURPOSE", "KEYS", "ARGV", "RETURNS", "MOVES", "COST")


def _text(name: str) -> str:
    return (lua_folder() / f"{name}.lua").read_text("utf-8")


def _header(name: str) -> dict[str, str]:
    return dict(re.findall(r"^-- ([A-Z]+|each) +(.+)$", _text(name), re.MULTILINE))


def _names(line: str) -> list[str]:
    return [name.strip() for name in line.split(",")]


def _argv(name: str) -> list[str]:
    return _names(_header(name)["ARGV"])


def _fixed(name: str) -> list[str]:
    return [argument for argument in _argv(name) if not argument.endswith("...")]


def _parameters(name: str) -> list[inspect.Parameter]:
    declared = getattr(scripts, DECLARED_AS.get(name, name.removeprefix("read/")))
    tag, *others = inspect.signature(declared).parameters.values()
    assert tag.name == "tag"
    return [parameter for parameter in others if parameter.name not in READERS]


def test_every_script_is_found_and_declared():
    assert len(TRANSITION_SCRIPTS) == 24 and len(SCRIPTS) == 33
    declared = {DECLARED_AS.get(name, name.removeprefix("read/")) for name in SCRIPTS}
    calls = {name for name in scripts.__all__ if name.islower() and name != "composed"}
    assert calls == declared


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_header_has_each_line(name):
    wanted = LABELS if name.startswith("read/") else (*LABELS, "AGAIN")
    assert [label for label in wanted if label not in _header(name)] == []
    assert _text(name).startswith("-- PURPOSE "), "the header comes first"


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_only_key_is_the_tag(name):
    assert _header(name)["KEYS"] == "tag"
    assert re.findall(r"KEYS\[", _text(name)) == []  # lua/lib/keys.lua alone makes names of it


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_declaration_takes_what_argv_names_in_its_order(name):
    argv = _argv(name) if name != "submit_one" else ["job"]  # a list of one
    lists = {argument.removesuffix("...") for argument in argv if argument.endswith("...")}
    derived = {argument for argument in argv if argument.removesuffix("_count") in lists}
    parameters = _parameters(name)
    assert [p.name for p in parameters] == [a.removesuffix("...") for a in argv if a not in derived]
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters)
    for parameter in parameters:
        is_list = "Sequence[" in str(parameter.annotation)
        assert is_list == (parameter.name in lists), parameter.name


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_list_that_another_follows_has_its_count_before_it(name):
    argv = _argv(name)
    for position, argument in enumerate(argv[:-1]):
        if argument.endswith("..."):
            assert argv[position - 1] == argument.removesuffix("...") + "_count"


@pytest.mark.parametrize("name", [name for name in SCRIPTS if _fixed(name)])
def test_the_script_unpacks_what_argv_names_in_its_order(name):
    unpacked = re.search(r"^local ([\w, ]+) = unpack\(ARGV(?:, 1, (\d+))?\)$", _text(name), re.MULTILINE)
    assert unpacked, "no unpack line"
    assert _names(unpacked[1]) == _fixed(name)
    if unpacked[2]:
        assert int(unpacked[2]) == len(_fixed(name))
    else:
        assert len(_fixed(name)) == len(_argv(name)), "a list follows: unpack only the fixed arguments"


@pytest.mark.parametrize(("name", "item"), [("turn", Outcome)])
def test_the_fields_of_each_item_are_the_dataclass_s_in_its_order(name, item):
    assert _names(_header(name)["each"]) == [field.name for field in fields(item)]


@pytest.mark.parametrize("name", ["submit", "submit_one"])
def test_a_new_job_s_fields_are_the_header_s_in_its_order_and_the_rest_is_more(name):
    names = [field.name for field in fields(NewJob)]
    *first, more = _names(_header(name)["each"])
    assert (first, more) == (names[: len(first)], "more")
    assert list(MORE) == names[len(first) :]
    if name == "submit":
        assert f"{{{', '.join(MORE)}}}" in _text(name)


def test_a_new_job_packs_its_fields_in_their_order_and_more_only_when_there_is():
    bare = NewJob("id", "type", None, "user", None, 5)
    assert bare.args() == ("id", "type", "", "user", b"", 5, b"")
    assert replace(bare, max_retries=0).args()[-1] == msgpack.packb({"max_retries": 0})
    whole = NewJob(*(f.name for f in fields(NewJob)))
    assert msgpack.unpackb(whole.args()[-1]) == {name: name for name in MORE}


def test_an_item_packs_its_fields_in_their_order():
    outcome = Outcome(*(f.name for f in fields(Outcome)))
    assert list(outcome.args()) == [f.name for f in fields(Outcome)]


def test_the_stride_of_submit_and_of_turn_is_the_number_of_fields():
    assert f"local FIELDS = {len(NewJob('', '', None, None, None, 1).args())}\n" in _text("lib/new_job")
    assert f"local FIELDS, first_outcome = {len(fields(Outcome))}," in _text("turn")


def test_what_the_heartbeat_holds_comes_in_pairs():
    assert _names(_header("heartbeat")["each"]) == ["job_id", "token"]
    call = scripts.heartbeat(
        "{t}", worker="w", lease_ms=1, alive_ms=2, max_retries=3, info="{}", held=[("a", "1.1"), ("b", "2.1")]
    )
    assert call.args == ["w", 1, 2, 3, "{}", "a", "1.1", "b", "2.1"]


# --- MOVES against TRANSITIONS --------------------------------------------------------------------

_STATE = r"(?:PENDING|PROCESSING|COMPLETED|FAILED|CANCELLED|\(none\))(?: \([^)]*\))?"
_MOVE = re.compile(rf"({_STATE}(?:, {_STATE})*) -> ({_STATE})")

Pair = tuple[JobStatus | None, JobStatus | None]


def _state(text: str) -> JobStatus | None:
    return None if text.startswith("(none)") else JobStatus(text.split()[0].lower())


def _moves(name: str) -> set[Pair]:
    found: set[Pair] = set()
    for sources, target in _MOVE.findall(_header(name)["MOVES"]):
        found |= {(_state(source), _state(target)) for source in re.findall(_STATE, sources)}
    return found


def _delegates(name: str) -> set[str]:
    """The scripts whose moves a header takes over: `as complete, fail and claim do`."""
    phrases = re.findall(r"as ([a-z, ]+) do\b|what ([a-z, ]+) move\b", _header(name)["MOVES"])
    words = {word for phrase in phrases for word in re.findall(r"[a-z]+", " ".join(phrase))}
    return words & set(SCRIPTS)


@pytest.mark.parametrize("name", TRANSITION_SCRIPTS)
def test_each_move_of_a_header_is_in_the_table(name):
    in_table = {pair for pair, by in TRANSITIONS.items() if name in by}
    assert _moves(name) - in_table == set()


@pytest.mark.parametrize("name", TRANSITION_SCRIPTS)
def test_each_move_of_the_table_stands_in_its_script_s_header(name):
    in_table = {pair for pair, by in TRANSITIONS.items() if name in by}
    in_header = _moves(name).union(*(_moves(other) for other in _delegates(name)))
    assert in_table - in_header == set()


def test_the_table_names_only_scripts():
    assert {name for by in TRANSITIONS.values() for name in by} <= set(TRANSITION_SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_that_the_table_does_not_name_says_that_it_moves_no_status(name):
    if not any(name in by for by in TRANSITIONS.values()):
        moves = _header(name)["MOVES"]
        assert moves == "nothing" or moves.startswith("PENDING stays") or _delegates(name)


def test_a_finished_job_only_comes_back_by_retry_and_only_goes_by_cleanup():
    for (source, _), by in TRANSITIONS.items():
        if source is not None and source.is_terminal:
            assert by in ({"retry"}, {"cleanup"})


def test_the_scripts_that_do_the_work_of_others_say_so():
    assert _delegates("turn") == {"complete", "fail", "claim"}
    assert _delegates("park") == set(DELEGATES["park"])
