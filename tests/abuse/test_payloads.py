"""Payloads that nobody should send: refused by name before anything is written, or kept as they are."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import UserDict, defaultdict

import pytest

from faciliter_jobs import codec
from faciliter_jobs.errors import JobQueueError, NotSerialisableError, PayloadTooLargeError

LIMIT = 1024 * 1024


def _nested(depth, leaf=None):
    value = leaf
    for _ in range(depth):
        value = {"a": value}
    return value


def _circular_dict():
    value = {}
    value["self"] = value
    return value


def _circular_list():
    value = [1]
    value.append(value)
    return {"list": value}


class LyingDict(dict):
    def __len__(self):
        return 10**6


class ShortDict(dict):
    def __len__(self):
        return 0


class RaisingDict(dict):
    def items(self):
        raise RuntimeError("no items today")


REFUSED = {
    "nested 10,000 levels": lambda: _nested(10_000),
    "circular dict": _circular_dict,
    "circular list": _circular_list,
    "an integer of a million digits": lambda: {"n": 1 << 3_400_000},
    "an integer just outside 64 bits": lambda: {"n": [-(2**63) - 1]},
    "a set": lambda: {"s": {1}},
    "a complex number": lambda: {"c": 1j},
    "a generator": lambda: {"g": (n for n in range(3))},
    "a type": lambda: {"t": int},
    "lone surrogates": lambda: {"s": "\ud800"},
    "a key with lone surrogates": lambda: {"\ud800": 1},
    "a tuple as key": lambda: {(1, 2): 1},
    "an object as key": lambda: {object(): 1},
    "a UserDict within": lambda: {"u": UserDict(a=1)},
    "a text over the limit": lambda: {"s": "x" * LIMIT},
    "a text over the limit, deep within": lambda: {"a": [{"b": ["x" * LIMIT]}]},
    "many texts over the limit together": lambda: {"a": ["x" * 1000] * 2000},
    "many integers over the limit together": lambda: {"a": [2**60] * 200_000},
    "bytes over the limit": lambda: {"b": bytes(LIMIT + 1)},
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_a_typed_error_and_nothing_is_written(queue, case):
    """LESSONS 30."""
    with pytest.raises((NotSerialisableError, PayloadTooLargeError), match=r"^input_data") as raised:
        queue.submit_job("t", REFUSED[case]())
    assert len(str(raised.value)) < 1000
    assert queue.list_jobs() == []
    kept = {"after": "the refusal"}
    assert queue.get_job(queue.submit_job("t", kept)).input_data == kept


KEPT = {
    "not a number": {"n": math.nan, "inf": [math.inf, -math.inf]},
    "keys of odd types": {"a": {7: "one", b"b": 2, None: 3, True: 4, 2.5: 5}},
    "the largest integers": {"n": [2**64 - 1, -(2**63), 0]},
    "nested 400 levels": _nested(400, "deep"),
    "text with NULs, newlines and emoji": {"\0": "\0\r\n\x1b[31m", "🦆": "🦆" * 1000},
    "empty things": {"": "", "d": {}, "l": [], "b": b""},
    "just under the limit": {"s": "x" * (LIMIT - 100)},
}


@pytest.mark.parametrize("case", KEPT)
def test_it_is_kept_as_it_is(queue, case):
    given = KEPT[case]
    kept = queue.get_job(queue.submit_job("t", given, metadata=given)).input_data
    assert repr(kept) == repr(given)


def test_nan_as_a_key_is_kept_or_refused_but_harms_nothing(queue):
    job_id = queue.submit_job("t", {"a": {math.nan: 1}})
    (key,) = queue.get_job(job_id).input_data["a"]
    assert math.isnan(key)


@pytest.mark.parametrize("kind", [LyingDict, ShortDict, RaisingDict, defaultdict])
def test_a_dict_that_lies_is_refused_or_kept_whole(queue, kind):
    given = kind(int) if kind is defaultdict else kind()
    dict.update(given, {"a": 1, "b": 2})
    try:
        job_id = queue.submit_job("t", {"d": given})
    except JobQueueError:
        assert queue.list_jobs() == []
    else:
        assert queue.get_job(job_id).input_data == {"d": {"a": 1, "b": 2}}


def test_a_text_of_a_gigabyte_is_refused_without_a_copy_of_it():
    """In a process of its own, whose memory is measured."""
    code = """
import resource, sys
from faciliter_jobs import codec
from faciliter_jobs.errors import PayloadTooLargeError
text = "x" * 2**30
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for value in ({"s": text}, {"a": [{"b": text}]}, {"b": [text] * 50}):
    try:
        codec.pack(value, "input_data", 2**20)
        sys.exit("it was packed")
    except PayloadTooLargeError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50_000  # KiB


def test_a_packer_does_not_keep_what_it_refused():
    code = """
import gc, resource
from faciliter_jobs import codec
from faciliter_jobs.errors import PayloadTooLargeError
def now():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
codec.pack({}, "x", 9)
before = now()
try:
    codec.pack({"a": [2**60] * 10_000_000}, "input_data", 2**20)
except PayloadTooLargeError:
    pass
gc.collect()
print(now() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 40_000_000


def test_a_value_that_can_not_be_made_into_bytes_leaves_the_packer_clean():
    for _ in range(3):
        with pytest.raises(NotSerialisableError):
            codec.pack({"kept": 1, "no": object()}, "x", 99)
        assert codec.unpack(codec.pack({"a": 1}, "x", 99)) == {"a": 1}
