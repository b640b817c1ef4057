"""Medians, noise and interleaving of the benchmarks, on forged numbers."""

from __future__ import annotations

import pytest

from benchmarks.bench import against
from benchmarks.figures import median, noise_of, percentile


def test_percentiles_lie_between_neighbours_in_proportion() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([1.0, 2.0]) == 1.5
    assert percentile([0.0, 10.0], 99) == pytest.approx(9.9)
    assert percentile([5.0], 99) == 5.0


def test_values_that_agree_have_no_noise_and_one_wild_value_adds_little() -> None:
    assert noise_of([2.0] * 9) == 0
    assert noise_of([2.0] * 8 + [1000.0]) == 0
    assert noise_of([1.0, 2.0, 3.0]) > 0.2


def test_a_drift_of_the_machine_leaves_the_ratio_as_it_is() -> None:
    speed = iter([100.0, 90.0, 80.0, 70.0, 60.0, 50.0, 40.0])  # ceiling, measured, ceiling, ...

    got = against(lambda: next(speed) / 2, lambda: next(speed), 3, "jobs/s", "higher", "ceiling")

    assert got.ratio == pytest.approx(0.5)
    assert got.noise == pytest.approx(0)
    assert got.value == 35.0


def test_each_round_is_compared_with_the_ceilings_just_before_and_after_it() -> None:
    order: list[str] = []

    def measure() -> float:
        order.append("measured")
        return 1.0

    def ceiling() -> float:
        order.append("ceiling")
        return 1.0

    against(measure, ceiling, 2, "jobs/s", "higher", "ceiling")

    assert order == ["ceiling", "measured", "ceiling", "measured", "ceiling"]
