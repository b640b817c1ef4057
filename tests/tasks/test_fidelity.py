"""An argument that wouldn't reach the worker as it is, is refused at submit; others aren't."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID, uuid4

import pydantic
import pytest
from pydantic import Field
from typing_extensions import TypedDict

from faciliter_jobs import InvalidArgumentError, codec
from faciliter_jobs.tasks.convert import PydanticConverter
from tests.tasks.models import Colour, Order, Point, Strict

ID = UUID(int=5)
T = TypeVar("T")
AnyDecimal = Annotated[Decimal, Field(allow_inf_nan=True)]


class Animal(pydantic.BaseModel):
    name: str


class Dog(Animal):
    tail: int = 1


class Cat(Animal): ...


class Renamed(pydantic.BaseModel):
    n: int = Field(default=1, serialization_alias="out")


class Secretive(pydantic.BaseModel):
    made: UUID = Field(default_factory=uuid4, exclude=True)
    kept: int = 1


class Open(pydantic.BaseModel, extra="allow"):
    anything: Any = None


class Box(pydantic.BaseModel, Generic[T]):
    inside: T


class Forgetful(pydantic.BaseModel):
    """Holds what isn't part of its data."""

    n: int
    _lock: object = pydantic.PrivateAttr(default_factory=object)


@dataclass
class Base:
    x: int


@dataclass
class Derived(Base):
    y: int = 0


@dataclass
class Timed:
    x: float
    id: UUID = field(init=False, default_factory=uuid4)


class Opaque:
    """Equal to itself only."""

    def __init__(self, n: int) -> None:
        self.n = n

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.n),
        )


class Pair(NamedTuple):
    a: int
    b: UUID


class Row(TypedDict):
    id: UUID


class Level(enum.IntEnum):
    HIGH = 3


LOSING: list[tuple[Any, Any, str]] = [
    (Renamed, Renamed(n=3), "^n: wouldn't come to the worker as it is: another value"),
    (Secretive, Secretive(made=ID), "^made: .*another value"),
    (Animal, Dog(name="Rex", tail=3), "Animal in place of Dog"),
    (Animal, Cat(name="Tom"), "Animal in place of Cat"),
    (dict[str, list[Animal]], {"all": [Animal(name="a"), Dog(name="b")]}, r"^all\.1: .*in place of Dog"),
    (Base, Derived(1, 2), "Base in place of Derived"),
    (str | UUID, ID, "str in place of UUID"),
    (str | Path, Path("/a"), "str in place of PosixPath"),
    (list[str | UUID], ["a", ID], "^1: .*str in place of UUID"),
    (set[str | UUID], {ID, "a"}, "str in place of UUID"),
    (dict[str | UUID, int], {ID: 1}, "another value"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "said"), LOSING)
def test_an_argument_that_would_lose_something_is_refused(annotation, value, said):
    with pytest.raises(InvalidArgumentError, match=said) as refused:
        PydanticConverter(annotation).dump(value)
    assert str(ID) not in str(refused.value)


def test_the_refusal_names_task_and_parameter(queue, jobs):
    @jobs.task
    def feed(animal: Animal) -> None: ...

    with pytest.raises(InvalidArgumentError, match="feed: animal: wouldn't come to the worker as it is"):
        feed.submit(Dog(name="Rex"))
    assert queue.list_jobs() == []


NOW = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=5, minutes=30)))
KEEPING: list[tuple[Any, Any]] = [
    (float, math.nan),
    (float, math.inf),
    (float, 3),
    (AnyDecimal, Decimal("NaN")),
    (AnyDecimal, Decimal("sNaN")),
    (Decimal, Decimal("1E+3")),
    (list[float], [math.nan, 0.1]),
    (set[float], {math.nan, 0.1}),
    (Timed, Timed(math.nan)),
    (Point, Point(1, math.nan, {"a"})),
    (datetime, NOW),
    (datetime, datetime(2030, 1, 2, fold=1)),
    (date | None, date(2030, 1, 2)),
    (timedelta, timedelta(days=-400, microseconds=1)),
    (int | str, "5"),
    (int | float, 1.0),
    (int | UUID, ID),
    (Path, Path("a/../b")),
    (Colour, Colour.RED),
    (Level, Level.HIGH),
    (int, Level.HIGH),
    (dict[Colour, list[Point]], {Colour.RED: [Point(1)]}),
    (list[list[UUID]], [[ID], []]),
    (tuple[int, ...], (1, 2)),
    (list[int] | tuple[int, ...], (1, 2)),
    (Sequence[int], (1, 2)),
    (Mapping[str, int], OrderedDict(a=1)),
    (deque[int], deque([1])),
    (frozenset[UUID], frozenset({ID})),
    (Pair, Pair(1, ID)),
    (Row, {"id": ID}),
    (Order, Order(id=ID, at=NOW, points=[Point(1)], quantity=3)),
    (Strict, Strict(width=3, settings='{"a": 1}')),
    (Animal | Base, Base(1)),
    (Dog, Dog(name="Rex")),
    (Animal, {"name": "Rex"}),
    (Secretive, Secretive(kept=2)),
    (Forgetful, Forgetful(n=1)),
    (Box[int], Box[int](inside=1)),
    (Box, Box[int](inside=1)),
    (Opaque, Opaque(3)),
    (list[Opaque], [Opaque(3)]),
    (set[Opaque], {Opaque(3), Opaque(4)}),
    (dict[str, Any], {"id": ID, "at": Path("/a"), "all": ({1}, (2, math.nan)), "animal": Dog(name="Rex")}),
    (Open, Open(anything=ID, more=ID, tags={"a"}, point=Point(1))),
    (list[Any] | None, [Colour.RED]),
]


@pytest.mark.parametrize(("annotation", "value"), KEEPING)
def test_an_argument_that_comes_through_is_not_refused(annotation, value):
    converter = PydanticConverter(annotation)
    converter.load(codec.unpack(codec.pack(converter.dump(value), "data", 10_000)))


def test_a_result_is_stored_so_that_its_type_can_read_it(jobs, run):
    @jobs.task
    def measure() -> Strict:
        return Strict(width=3, settings='{"a": 1}')

    job_id = measure.submit()
    run(job_id)
    assert measure.result_of(job_id) == Strict(width=3, settings='{"a": 1}')
