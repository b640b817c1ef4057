"""Arguments of annotated types: checked at submit, plain data on the way, objects again in the worker."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import Field

from faciliter_jobs import InvalidArgumentError, InvalidTypeError, JobStatus, NotSerialisableError, codec
from faciliter_jobs.tasks.convert import MsgspecConverter, PydanticConverter, converter_for
from faciliter_jobs.tasks.plain import plain
from tests.tasks.models import Colour, Order, Parcel, Point, Point3, Strict, Unreadable

ID = UUID(int=5)
NOW = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=timezone.utc)
NAIVE = datetime(2030, 1, 2, 3, 4, 5)
BOTH = [PydanticConverter, MsgspecConverter]
VALUES: list[tuple[Any, Any]] = [
    (int, 3),
    (str, "text"),
    (bytes, b"\xff\x00"),
    (bool, True),
    (float, 1.5),
    (datetime, NOW),
    (datetime, NAIVE),
    (date, date(2030, 1, 2)),
    (time, time(3, 4)),
    (timedelta, timedelta(days=1, milliseconds=5)),
    (UUID, ID),
    (Decimal, Decimal("0.10")),
    (Colour, Colour.BLUE),
    (Point, Point(1, 2.5, {"a"})),
    (list[Point], [Point(1), Point(2)]),
    (dict[str, Point], {"a": Point(1)}),
    (tuple[int, str], (1, "a")),
    (set[int], {1, 2}),
    (Point | None, None),
    (Point | None, Point(3)),
    (int | str, "a"),
    (Literal["a", "b"], "b"),
    (Annotated[int, "any"], 5),
]


def _through(converter, value):
    data = converter.dump(value)
    return converter.load(codec.unpack(codec.pack(data, "data", 10_000)))


@pytest.mark.parametrize("library", BOTH)
@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=lambda v: str(v)[:30])
def test_a_value_comes_through_the_codec_as_it_was(library, annotation, value):
    assert _through(library(annotation), value) == value


def test_models_come_through_with_aliases_and_nested_dataclasses():
    order = Order(id=ID, at=NOW, day=date(2030, 1, 1), raw=b"\xff", points=[Point(1)], quantity=3)
    assert _through(converter_for(Order), order) == order
    assert _through(converter_for(list[Order]), [order]) == [order]


def test_computed_fields_are_left_out_since_they_could_not_be_read_again():
    strict = Strict(width=3, settings='{"a": 1}')
    converter = converter_for(Strict)
    assert _through(converter, strict) == strict
    assert converter.load(converter.dump_unchecked(strict)) == strict


def test_a_model_that_cannot_read_its_own_dump_is_refused_at_submit():
    with pytest.raises(InvalidArgumentError, match="in: Field required"):
        converter_for(Unreadable).dump(Unreadable.model_validate({"in": 1}))


def test_structs_are_msgspecs_whatever_else_is_installed():
    parcel = Parcel(ID, NOW, b"\xff", [Point(1)])
    converter = converter_for(dict[str, Parcel | None])
    assert isinstance(converter, MsgspecConverter)
    assert _through(converter, {"a": parcel, "b": None}) == {"a": parcel, "b": None}


def test_what_was_stored_reads_well():
    order = Order(id=ID, at=NOW, points=[Point(1)], quantity=3)
    assert converter_for(Order).dump(order) == {
        "id": str(ID),
        "at": NOW,
        "day": None,
        "raw": b"",
        "points": [{"x": 1, "y": 0.0, "tags": []}],
        "quantity": 3,
    }


@pytest.mark.parametrize(
    ("annotation", "value", "where"),
    [
        (int, "many", "valid integer"),
        (Order, {"id": "x", "at": NOW}, "id: Input should be a valid UUID"),
        (list[Point], [{"x": 1}, {"x": "no"}], "1.x: Input should be a valid integer"),
        (Annotated[int, Field(gt=0)], 0, "greater than 0"),
        (
            Parcel,
            {"id": str(ID), "at": NOW, "weight": "heavy"},
            r"Expected `int`, got `str` - at `\$.weight`",
        ),
    ],
)
@pytest.mark.parametrize("way", ["dump", "load"])
def test_what_does_not_fit_is_refused_both_ways_with_its_path(annotation, value, where, way):
    with pytest.raises(InvalidArgumentError, match=where):
        getattr(converter_for(annotation), way)(value)


def test_an_error_does_not_repeat_the_value_which_may_be_a_secret():
    with pytest.raises(InvalidArgumentError) as caught:
        converter_for(int).dump("hunter2")
    assert "hunter2" not in str(caught.value)


class _Foreign: ...


def test_a_type_that_no_library_knows_is_refused_when_the_worker_is_made(jobs):
    @jobs.task
    def use(thing: _Foreign) -> None: ...

    with pytest.raises(InvalidTypeError, match=r"use: thing: .*_Foreign.*can't be converted"):
        jobs.worker()


def test_an_annotation_that_cannot_be_resolved_is_named(jobs):
    class Local: ...

    @jobs.task
    def use(thing: Local) -> None: ...

    with pytest.raises(InvalidTypeError, match="use: an annotation can't be resolved: name 'Local'"):
        use.submit(Local())


def test_without_annotations_nothing_is_checked_and_known_types_are_made_plain():
    value = {"order": Order(id=ID, at=NOW), "parcel": Parcel(ID, NOW), "at": Path("/a"), "c": [Colour.RED]}
    data = plain(value)
    assert data["order"]["id"] == data["parcel"]["id"] == str(ID)
    assert (data["at"], data["c"]) == ("/a", ["red"])
    assert plain(_Foreign) is _Foreign, "left for the codec to refuse by path"


@pytest.mark.parametrize("annotation", [Any, dict, dict[tuple[int, int], str], dict[Point3, str]])
def test_keys_that_cannot_be_stored_are_refused_by_path_at_submit(queue, jobs, annotation):
    def place(at): ...

    place.__annotations__["at"] = annotation
    key = Point3(1, 2, 3) if "Point3" in str(annotation) else (1, 2)
    with pytest.raises((NotSerialisableError, InvalidArgumentError), match=r"at"):
        jobs.task(place).submit({key: "x"})
    assert queue.list_jobs() == []


@pytest.mark.parametrize("annotation", [Any, dict[str, dict[Any, str]], dict[str, dict[Point3, str]]])
@pytest.mark.parametrize("key", [(1, 2), Point3(1, 2, 3)])
def test_a_result_with_keys_that_cannot_be_stored_fails_at_once(jobs, run, annotation, key):
    runs = []

    def place():
        runs.append("its work is not repeated")
        return {"rows": {key: "x"}}

    place.__annotations__["return"] = annotation
    job = run(jobs.task(max_retries=3)(place).submit())
    assert (job.status, job.attempt, len(runs)) == (JobStatus.FAILED, 1, 1)
    assert job.error.startswith(f"NotSerialisableError: result.rows[{key!r}]")


def test_keys_that_become_text_are_made_plain():
    assert plain({ID: 1, Colour.RED: 2, date(2030, 1, 2): 3, 4: 5}) == {
        str(ID): 1, "red": 2, "2030-01-02": 3, 4: 5,
    }  # fmt: skip


_WITHOUT = """
import sys
for name in {without}: sys.modules[name] = None
from faciliter_jobs.tasks import JobApp
from uuid import UUID
jobs = JobApp()
{code}
"""


def _run_without(without: list[str], code: str) -> str:
    text = _WITHOUT.format(without=without, code=code)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_either_library_plain_annotations_pass_unchecked():
    code = """
@jobs.task
def f(a: int, b: 'list[str] | None' = None, c: 'dict[str, bytes]' = {}) -> dict: return {}
print(f.spec('x', [1]).input_data, f.signature.load({'a': 'y'}))
"""
    assert _run_without(["pydantic", "msgspec"], code) == "{'a': 'x', 'b': [1]} {'a': 'y'}"


def test_without_either_library_other_annotations_are_refused_with_what_to_install():
    code = """
@jobs.task
def f(a: 'list[UUID]'): return 1
try: f.submit([])
except TypeError as error: print(error)
"""
    said = _run_without(["pydantic", "msgspec"], code)
    assert said.startswith("f: a: UUID: converting it needs pydantic or msgspec: pip install")


def test_msgspec_serves_where_pydantic_is_not_installed():
    code = """
@jobs.task
def f(a: UUID) -> UUID: return a
print(f.signature.load(f.spec(UUID(int=1)).input_data))
"""
    assert _run_without(["pydantic"], code) == "{'a': UUID('00000000-0000-0000-0000-000000000001')}"


def test_neither_library_is_imported_until_a_task_is_submitted_or_served():
    code = """
@jobs.task
def f(a: int) -> int: return a
print('pydantic' in sys.modules, 'msgspec' in sys.modules)
"""
    assert _run_without([], code) == "False False"


def test_a_workers_task_gets_objects_and_its_result_is_stored_plain(queue, jobs, run):
    got = []

    @jobs.task
    def ship(order: Order, parcel: Parcel, colour: Colour) -> dict[str, Point]:
        got.extend([order, parcel, colour])
        return {"at": Point(1, 2.0)}

    order, parcel = Order(id=ID, at=NOW), Parcel(ID, NOW)
    job_id = ship.submit(order, parcel, colour=Colour.RED)
    assert run(job_id).result == {"at": {"x": 1, "y": 2.0, "tags": []}}
    assert got == [order, parcel, Colour.RED]
    assert ship.result_of(job_id) == {"at": Point(1, 2.0)}


def test_a_result_that_is_not_what_was_annotated_is_kept_and_refused_to_its_reader(jobs, run):
    @jobs.task
    def count() -> int:
        return "many"  # type: ignore[return-value]

    job_id = count.submit()
    assert run(job_id).result == "many"
    with pytest.raises(InvalidArgumentError, match="valid integer"):
        count.result_of(job_id)
