"""The benchmarks' guard on forged figures: what it calls worse, and what it lets pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks import guard
from benchmarks.figures import Against, Better, Figure, Guarded, Result
from benchmarks.guard import Finding, Guard

RATE = "submit/plain"
TIME = "latency/idle-p50"
COUNT = "lifecycle/plain-submit-commands"
BYTES = "memory/plain-pending"


def ratio(value: float, better: Better = "higher", noise: float = 0.0) -> Guard:
    return Guard("jobs", "ratio", better, value, noise)


def cost(value: float, kind: Guarded) -> Guard:
    return Guard("costs", kind, "lower", value)


def verdict_of(recorded: Guard, measured: Guard) -> str:
    (finding,) = guard.compare({"x": recorded}, {"x": measured})
    return finding.verdict


# --- what is worse --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [RATE, TIME, COUNT, BYTES])
def test_what_is_as_it_was_recorded_is_the_same(name: str) -> None:
    guards = {RATE: ratio(0.9), TIME: ratio(2.0, "lower"), COUNT: cost(8, "count"), BYTES: cost(500, "bytes")}
    findings = {finding.name: finding for finding in guard.compare(guards, guards)}
    assert findings[name].verdict == "same"
    assert findings[name].change == 0


@pytest.mark.parametrize(
    ("recorded", "measured"),
    [
        pytest.param(ratio(1.0), ratio(0.79), id="a rate a quarter lower"),
        pytest.param(ratio(2.0, "lower"), ratio(2.6, "lower"), id="a time a quarter longer"),
        pytest.param(cost(8.0, "count"), cost(9.0, "count"), id="one command more"),
        pytest.param(cost(500, "bytes"), cost(520, "bytes"), id="twenty bytes more"),
    ],
)
def test_what_passes_its_tolerance_is_worse(recorded: Guard, measured: Guard) -> None:
    assert verdict_of(recorded, measured) == "worse"
    assert verdict_of(measured, recorded) == "better"


@pytest.mark.parametrize(
    ("recorded", "measured"),
    [
        pytest.param(ratio(1.0), ratio(0.81), id="a rate"),
        pytest.param(ratio(2.0, "lower"), ratio(2.4, "lower"), id="a time"),
        pytest.param(cost(8.02, "count"), cost(8.1, "count"), id="a count"),
        pytest.param(cost(500, "bytes"), cost(510, "bytes"), id="bytes"),
    ],
)
def test_what_stays_within_its_tolerance_is_the_same(recorded: Guard, measured: Guard) -> None:
    assert verdict_of(recorded, measured) == "same"
    assert verdict_of(measured, recorded) == "same"


def test_a_halved_rate_is_as_much_worse_as_a_doubled_time() -> None:
    rate = guard.worsening(ratio(1.0), ratio(0.5))
    time = guard.worsening(ratio(1.0, "lower"), ratio(2.0, "lower"))
    assert rate == time == 1.0


def test_a_count_that_was_nothing_and_is_something_is_worse() -> None:
    assert verdict_of(cost(0, "count"), cost(0.1, "count")) == "worse"


def test_a_ratio_too_noisy_to_tell_is_called_noisy_and_not_worse() -> None:
    assert verdict_of(ratio(1.0), ratio(0.75)) == "worse"
    assert verdict_of(ratio(1.0), ratio(0.75, noise=0.1)) == "noisy"
    assert verdict_of(ratio(1.0, noise=0.1), ratio(0.75)) == "noisy"


def test_noise_does_not_excuse_a_loss_far_beyond_it() -> None:
    assert verdict_of(ratio(1.0, noise=0.1), ratio(0.5, noise=0.1)) == "worse"


def test_the_tolerance_of_ratios_can_be_set_and_leaves_the_others() -> None:
    recorded = {RATE: ratio(1.0), COUNT: cost(8.0, "count")}
    measured = {RATE: ratio(0.6), COUNT: cost(9.0, "count")}
    findings = guard.compare(recorded, measured, {**guard.TOLERANCES, "ratio": 1.0})
    assert {finding.name: finding.verdict for finding in findings} == {RATE: "same", COUNT: "worse"}


def test_a_figure_that_was_not_measured_is_bad_and_a_new_one_is_not() -> None:
    findings = guard.compare({RATE: ratio(1.0)}, {TIME: ratio(1.0)})
    assert {finding.name: (finding.verdict, guard.is_bad(finding)) for finding in findings} == {
        RATE: ("missing", True),
        TIME: ("new", False),
    }


def test_the_worst_comes_first_and_says_by_how_much() -> None:
    recorded = {RATE: ratio(1.0), TIME: ratio(1.0, "lower"), COUNT: cost(10, "count")}
    measured = {RATE: ratio(0.5), TIME: ratio(3.0, "lower"), COUNT: cost(10, "count")}
    findings = guard.compare(recorded, measured)
    assert [finding.name for finding in findings] == [TIME, RATE, COUNT]
    assert "200% worse" in str(findings[0])
    assert "recorded 1.00x, now 0.50x, 100% worse" in str(findings[1])


# --- what is guarded ------------------------------------------------------------------------------


def test_guarded_figures_are_compared_by_what_they_are_guarded_by() -> None:
    against = Against(5000.0, "jobs/s", "higher", 0.9, "LPUSH loop", 0.02)
    figures = [
        against.figure("plain", "one by one", at_least=0.85),
        Figure("pending", "bytes a job", 508.0, "bytes", guarded="bytes"),
        Figure("p99", "seconds", 1.4, "ms"),
    ]
    assert guard.guards_of([Result("s", figures)]) == {
        "s/plain": Guard("one by one", "ratio", "higher", 0.9, 0.02),
        "s/pending": Guard("bytes a job", "bytes", "lower", 508.0),
    }


def test_a_figure_guarded_by_a_ratio_that_it_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="p50: guarded by its ratio"):
        guard.guards_of([Result("s", [Figure("p50", "wait", 1.0, "ms", guarded="ratio")])])


# --- again, to be sure ----------------------------------------------------------------------------


class Forged:
    """Measurements to come, one after another."""

    def __init__(self, *tries: Mapping[str, Guard]) -> None:
        self._tries = list(tries)
        self.asked: list[list[str]] = []

    def __call__(self, scenarios: Sequence[str]) -> Mapping[str, Guard]:
        self.asked.append(list(scenarios))
        return self._tries.pop(0)


def verdicts(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in findings}


def test_what_seems_worse_once_is_measured_again_and_forgiven() -> None:
    recorded = {RATE: ratio(1.0), COUNT: cost(8, "count")}
    forged = Forged({RATE: ratio(0.5), COUNT: cost(8, "count")}, {RATE: ratio(0.95)})
    findings = guard.check_until_sure(forged, recorded)
    assert verdicts(findings) == {RATE: "same", COUNT: "same"}
    assert forged.asked == [["submit", "lifecycle"], ["submit"]]


def test_what_stays_worse_three_times_is_worse() -> None:
    slow = {RATE: ratio(0.5)}
    forged = Forged(slow, {RATE: ratio(0.6)}, slow)
    (finding,) = guard.check_until_sure(forged, {RATE: ratio(1.0)})
    assert finding.verdict == "worse"
    assert finding.measured == ratio(0.6)
    assert len(forged.asked) == 3


def test_a_scenario_that_fails_is_tried_again_and_then_missing() -> None:
    forged = Forged({}, {}, {})
    assert verdicts(guard.check_until_sure(forged, {RATE: ratio(1.0)})) == {RATE: "missing"}


# --- the record -----------------------------------------------------------------------------------


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    guards = {RATE: ratio(0.9, noise=0.02), COUNT: cost(8.0, "count")}
    guard.record(file, "redis 7.0", {"cpu": "some"}, guards)
    read, remark = guard.recorded_for("redis 7.0", guard.load(file))
    assert read == guards
    assert remark.startswith("recorded 20")


def test_records_of_several_servers_stand_beside_each_other(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    guard.record(file, "redis 7.0", {}, {RATE: ratio(0.9)})
    guard.record(file, "valkey 9.1", {}, {RATE: ratio(0.8)})
    records = guard.load(file)
    assert guard.recorded_for("redis 7.0", records)[0] == {RATE: ratio(0.9)}
    assert guard.recorded_for("valkey 9.1", records)[0] == {RATE: ratio(0.8)}


def test_counts_are_recorded_anew_and_ratios_stay(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    guard.record(file, "redis 7.0", {"cpu": "quick"}, {RATE: ratio(0.9), COUNT: cost(8.0, "count")})
    measured = {RATE: ratio(0.5), COUNT: cost(7.0, "count"), BYTES: cost(500, "bytes")}
    guard.record_counts(file, "redis 7.0", measured)
    read, _ = guard.recorded_for("redis 7.0", guard.load(file))
    assert read == {**measured, RATE: ratio(0.9)}
    assert guard.load(file)["redis 7.0"]["machine"] == {"cpu": "quick"}


def test_on_a_server_without_a_record_only_counts_are_compared(tmp_path: Path) -> None:
    file = tmp_path / "recorded.json"
    guards = {RATE: ratio(0.9), COUNT: cost(8.0, "count"), BYTES: cost(500, "bytes")}
    guard.record(file, "redis 7.0", {}, guards)
    read, remark = guard.recorded_for("redis 6.2", guard.load(file))
    assert read == {COUNT: cost(8.0, "count")}
    assert "nothing is recorded on redis 6.2" in remark


def test_without_any_record_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    assert guard.recorded_for("redis 7.0", guard.load(tmp_path / "none.json")) == ({}, "")


def test_the_record_in_the_repository_can_be_read_and_is_of_guarded_scenarios() -> None:
    records = guard.load(guard.RECORDED)
    assert records
    for server in records:
        guards, _ = guard.recorded_for(server, records)
        assert {name.partition("/")[0] for name in guards} == set(guard.SCENARIOS)


def test_a_record_of_several_measurements_is_their_median_and_as_uncertain_as_they_differ() -> None:
    tries = [{RATE: ratio(value, noise=0.01)} for value in (0.8, 1.2, 1.0)]
    recorded = guard.combine(tries, guard.middle)[RATE]
    assert recorded.value == 1.0
    assert 0.05 < recorded.noise < 0.3
