"""Payloads to msgpack and back; what can't be stored is refused by its path."""

from __future__ import annotations

import contextlib
import math
import uuid
from collections import OrderedDict, defaultdict
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faciliter_jobs import codec
from faciliter_jobs.errors import JobQueueError, NotSerialisableError, PayloadTooLargeError, UndecodableError

LIMIT = 1024 * 1024

_EARLIEST, _LATEST = datetime(2, 1, 1), datetime(9998, 12, 31)
_AWARE = st.datetimes(
    _EARLIEST, _LATEST, timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=5.5))])
)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(_EARLIEST, _LATEST)
    | _AWARE
)
_KEYS = st.text() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.booleans() | st.none()
_VALUES = st.recursive(_LEAVES, lambda v: st.lists(v) | st.dictionaries(_KEYS, v), max_leaves=20)


def _round_trip(value):
    return codec.unpack(codec.pack(value, "value", LIMIT))


@settings(max_examples=300, deadline=None)
@given(_VALUES)
def test_what_is_packed_comes_back_equal(value):
    assert _round_trip(value) == value


@settings(max_examples=100, deadline=None)
@given(st.datetimes(_EARLIEST, _LATEST) | _AWARE)
def test_a_datetime_keeps_its_instant_its_microseconds_and_whether_it_is_aware(value):
    back = _round_trip(value)
    assert back == value
    assert (back.tzinfo is None) == (value.tzinfo is None)


@pytest.mark.parametrize(
    ("value", "back"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Enum("Colour", {"RED": "red"}, type=str).RED, "red"),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (math.inf, math.inf),
        ({1: "a", b"b": 2, None: 3}, {1: "a", b"b": 2, None: 3}),
    ],
)
def test_what_comes_back_in_another_form(value, back):
    assert _round_trip(value) == back


def test_nan_comes_back():
    assert math.isnan(_round_trip(math.nan))


def _deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [100, 500, 511, 512, 1000, *range(1018, 1030)])
def test_nothing_is_packed_so_deep_that_it_can_t_be_read_back(levels):
    value = _deep(levels)
    try:
        packed = codec.pack(value, "input_data", LIMIT)
    except NotSerialisableError:
        assert levels > 500
    else:
        assert codec.pack(codec.unpack(packed), "again", LIMIT) == packed


@pytest.mark.parametrize(
    "bad", [{"a": {1}}, {"a": [1, object()]}, {(1, 2): 3}, {"a": 2**70}, {"a": "\ud800"}]
)
def test_a_refused_value_leaves_nothing_behind_in_the_next(bad):
    with pytest.raises(NotSerialisableError):
        codec.pack(bad, "input_data", LIMIT)
    assert codec.pack({"a": 1}, "input_data", LIMIT) == b"\x81\xa1a\x01"


class Custom:
    pass


class Odd(datetime):
    def isoformat(self, *_):
        return "?"


class Nowhere(tzinfo):
    def utcoffset(self, _):
        raise ValueError("nobody knows")


_FIRST, _LAST = datetime.min, datetime.max
_WEST, _EAST = timezone(timedelta(hours=-5)), timezone(timedelta(hours=1))


def _with_itself_in_it():
    loop = {"name": "loop"}
    loop["self"] = loop
    return loop


# value -> the whole message, when it is the argument `input_data`
REFUSED = [
    ({"rows": [1, 2, 3, {"when": {1, 2}}]}, "input_data.rows[3].when: set is not serialisable"),
    ({"a": Custom()}, "input_data.a: Custom is not serialisable"),
    ({"a": [b"", object()]}, "input_data.a[1]: object is not serialisable"),
    ({"a": ("x", date(2024, 1, 1))}, "input_data.a[1]: date is not serialisable"),
    ({"a": Decimal("1.5")}, "input_data.a: Decimal is not serialisable"),
    ({"a": uuid.UUID(int=0)}, "input_data.a: UUID is not serialisable"),
    ({"a": 1j}, "input_data.a: complex is not serialisable"),
    ({"a": len}, "input_data.a: builtin_function_or_method is not serialisable"),
    ({"a": frozenset()}, "input_data.a: frozenset is not serialisable"),
    ({"a": 2**64}, "input_data.a: integer outside 64 bits"),
    ({"a": -(2**63) - 1}, "input_data.a: integer outside 64 bits"),
    ({"a": 10**5000}, "input_data.a: integer outside 64 bits"),
    ({"a": "\ud800"}, "input_data.a: text with lone surrogates is not UTF-8"),
    ({"a b": {"": set()}}, "input_data['a b']['']: set is not serialisable"),
    ({1: {b"k": set()}}, "input_data[1][b'k']: set is not serialisable"),
    (
        {"a": {Custom: 1}},
        "input_data.a[<class 'tests.unit.test_codec.Custom'>]: key: type is not serialisable",
    ),
    ({"a": {"\ud800": 1}}, "input_data.a['\\ud800']: key: text with lone surrogates is not UTF-8"),
    ({"a": {2**70: 1}}, f"input_data.a[{2**70}]: key: integer outside 64 bits"),
    ({"good": 1, "bad": set(), "worse": 1j}, "input_data.bad: set is not serialisable"),
    (set(), "input_data: set is not serialisable"),
    # These would pack, and could never be read again.
    (
        {"a": [_LAST.replace(tzinfo=_WEST)]},
        "input_data.a[0]: datetime can't be stored and read back: date value out of range",
    ),
    (
        {"a": {"until": _FIRST.replace(tzinfo=_EAST)}},
        "input_data.a.until: datetime can't be stored and read back: date value out of range",
    ),
    (
        {"a": msgpack.Timestamp(10**13, 0)},
        "input_data.a: Timestamp can't be stored and read back: date value out of range",
    ),
    (
        {"a": msgpack.ExtType(1, b"zzz")},
        "input_data.a: ExtType can't be stored and read back: Invalid isoformat string: 'zzz'",
    ),
    (
        {"a": Odd(2024, 1, 1)},
        "input_data.a: Odd can't be stored and read back: Invalid isoformat string: '?'",
    ),
    (
        {"a": datetime(2024, 1, 1, tzinfo=Nowhere())},
        "input_data.a: datetime can't be stored and read back: nobody knows",
    ),
    (
        {"a": {_LAST.replace(tzinfo=_WEST): 1}},
        f"input_data.a[{_LAST.replace(tzinfo=_WEST)!r}]: key: datetime can't be stored and read back: "
        "date value out of range",
    ),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_a_refusal_names_the_path_and_the_reason(value, message):
    with pytest.raises(NotSerialisableError) as raised:
        codec.pack(value, "input_data", LIMIT)
    assert str(raised.value) == message
    assert isinstance(raised.value, TypeError) and isinstance(raised.value, JobQueueError)


@pytest.mark.parametrize("key", [(1, 2), (), ("a", ("b",)), frozenset({1})])
def test_a_key_is_refused_or_can_be_read_back(key):
    """A tuple packs as a list, which can't be a key when it is read."""
    value = {"a": {key: 1}}
    try:
        packed = codec.pack(value, "input_data", LIMIT)
    except NotSerialisableError as error:
        assert str(error).startswith("input_data.a[")
    else:
        assert codec.unpack(packed) == value


@pytest.mark.parametrize(
    "value", [_with_itself_in_it(), _deep(2_000), _deep(100_000)], ids=["loop", "2k", "100k"]
)
def test_the_circular_and_the_very_deep_are_refused_with_a_short_message(value):
    with pytest.raises(
        NotSerialisableError, match=r"^input_data.*nested deeper than .* levels, or circular$"
    ) as e:
        codec.pack(value, "input_data", LIMIT)
    assert len(str(e.value)) < 300


def test_the_size_is_limited_and_the_message_says_size_and_limit():
    """LESSONS 30."""
    packed = codec.pack("x" * 995, "result", 1000)
    assert len(packed) == 998
    assert codec.pack("x" * 997, "result", 1000)
    with pytest.raises(
        PayloadTooLargeError, match=r"^result: 2,003 bytes packed, the limit is 1,000 \("
    ) as raised:
        codec.pack("x" * 2000, "result", 1000)
    assert "max_payload_bytes" in str(raised.value)
    assert isinstance(raised.value, ValueError) and isinstance(raised.value, JobQueueError)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\xa5ab",
        b"\xa2\xff\xfe",
        b"\x01\x02",
        b"\xc7\x03\x01abc",
        b"\xd6\xff\x00",
        b"\x81\x90\x01",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 5000,
    ],
)
def test_damaged_bytes_are_an_error_of_ours_that_names_the_field(data):
    """LESSONS 41."""
    with pytest.raises(UndecodableError, match=r"^metadata: can't be decoded: .") as raised:
        codec.unpack(data, "metadata")
    assert isinstance(raised.value, ValueError) and isinstance(raised.value, JobQueueError)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_else(data):
    with contextlib.suppress(UndecodableError):
        codec.unpack(data)


@pytest.mark.parametrize("data", [b"cos\nsystem\n(S'true'\ntR.", b"\x80\x04\x8c\x05posix\x94."])
def test_a_pickle_is_not_loaded(data):
    with pytest.raises(UndecodableError):
        codec.unpack(data)


_ANY_AWARE = st.datetimes(
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
)
_EDGES = st.sampled_from((_FIRST, _LAST)).flatmap(
    lambda edge: _ANY_AWARE.map(lambda d: edge.replace(tzinfo=d.tzinfo))
)
_EXTENSIONS = st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=12))
_TIMESTAMPS = st.builds(msgpack.Timestamp, st.integers(-(2**63), 2**63 - 1), st.integers(0, 10**9 - 1))


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.text(max_size=2), st.datetimes() | _ANY_AWARE | _EDGES | _EXTENSIONS | _TIMESTAMPS))
def test_what_is_accepted_can_be_read_again(value):
    try:
        packed = codec.pack(value, "input_data", LIMIT)
    except NotSerialisableError as error:
        assert "can't be stored and read back" in str(error) and str(error).startswith("input_data")
    else:
        codec.unpack(packed)


@pytest.mark.parametrize(
    "value", [_LAST.replace(tzinfo=timezone.utc), _FIRST.replace(tzinfo=timezone.utc), _LAST]
)
def test_the_first_and_the_last_datetime_come_back(value):
    assert _round_trip(value) == value


def test_an_extension_of_another_program_comes_back_as_it_is():
    assert _round_trip(msgpack.ExtType(42, b"x")) == msgpack.ExtType(42, b"x")
