"""What a scenario returns: figures, and curves where something grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Better = Literal["higher", "lower"]
Guarded = Literal["", "ratio", "count", "bytes"]


@dataclass(slots=True)
class Figure:
    """One measured number. Timings of two runs can't be compared, ratios within one run can: so a
    timing carries the ceiling of the same run that it was interleaved with."""

    key: str
    text: str
    value: float
    unit: str
    better: Better = "lower"
    ratio: float | None = None
    of: str = ""  # what the ratio is to
    noise: float = 0.0  # by how much the ratio may be off, as a share
    aim: str = ""
    met: bool | None = None
    guarded: Guarded = ""  # what `check` compares with the recorded run: the ratio, or the value as a ...


@dataclass(frozen=True, slots=True)
class Against:
    """A measurement in rounds, each beside a ceiling: medians of the values and of the rounds' ratios."""

    value: float
    unit: str
    better: Better
    ratio: float
    of: str
    noise: float

    def figure(
        self, key: str, text: str, *, at_least: float | None = None, at_most: float | None = None,
        guarded: Guarded = "ratio",
    ) -> Figure:  # fmt: skip
        aim, met = "", None
        if at_least is not None:
            aim, met = f">= {at_least:g}x", self.ratio >= at_least
        elif at_most is not None:
            aim, met = f"<= {at_most:g}x", self.ratio <= at_most
        return Figure(
            key, text, self.value, self.unit, self.better, self.ratio, self.of, self.noise, aim, met, guarded
        )


@dataclass(slots=True)
class Curve:
    """Points (x, y) by name, for a plot."""

    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, line: str, x: float, y: float) -> None:
        self.lines.setdefault(line, []).append((x, y))


@dataclass(slots=True)
class Result:
    scenario: str
    figures: list[Figure]
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def median(values: Sequence[float]) -> float:
    return percentile(values, 50)


def percentile(values: Sequence[float], percent: float) -> float:
    """Between two neighbours in proportion, so that the median of two is their mean."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def noise_of(values: Sequence[float]) -> float:
    """The standard error of their median, as a share of it. 0.93 of the range between the quartiles
    over the square root of their number: a few wild rounds don't count, as they don't in the median."""
    middle = median(values)
    if len(values) < 3 or not middle:
        return 0.0
    return 0.93 * (percentile(values, 75) - percentile(values, 25)) / (abs(middle) * math.sqrt(len(values)))
