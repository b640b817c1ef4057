"""Types of arguments, at the top of a module so that their names can be resolved."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import msgspec
import pydantic


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: float = 0.0
    tags: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Point3:
    x: int
    y: int
    z: int


class Order(pydantic.BaseModel):
    id: UUID
    at: datetime
    day: date | None = None
    raw: bytes = b""
    points: list[Point] = []
    amount: int = pydantic.Field(default=1, gt=0, alias="quantity")


class Strict(pydantic.BaseModel, extra="forbid"):
    width: int
    settings: pydantic.Json[dict[str, int]] | None = None

    @pydantic.computed_field
    def area(self) -> int:
        return self.width**2


class Unreadable(pydantic.BaseModel):
    """Its dump isn't what it is read from."""

    n: int = pydantic.Field(validation_alias="in", serialization_alias="out")


class Parcel(msgspec.Struct):
    id: UUID
    at: datetime
    raw: bytes = b""
    points: list[Point] = []
    weight: int = 0
