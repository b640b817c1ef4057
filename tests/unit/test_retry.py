"""How long a failed job waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faciliter_jobs.retry import LONGEST_DELAY, delay_before
from faciliter_jobs.transport import pause_before

_BASES = st.floats(0, 10**6)
_RETRIES = st.integers(1, 10**6)


@given(_RETRIES, _BASES)
def test_fixed_is_always_the_base(retry, base):
    assert delay_before(retry, base) == base


@given(_RETRIES, _BASES)
def test_exponential_stays_within_its_bounds(retry, base):
    whole = min(LONGEST_DELAY, base * 2.0 ** min(retry - 1, 60))
    assert whole * 0.5 <= delay_before(retry, base, "exponential") <= whole


@given(st.integers(1, 8))
def test_exponential_doubles(retry):
    longest = max(delay_before(retry, 1.0, "exponential") for _ in range(50))
    assert longest <= 2.0 ** (retry - 1)
    assert longest > 2.0 ** (retry - 1) * 0.5


def test_jobs_that_failed_together_do_not_come_back_together():
    assert len({delay_before(3, 1.0, "exponential") for _ in range(20)}) > 10


@given(st.integers(1, 60), st.floats(0.01, 100))
def test_a_pause_before_sending_again_is_never_longer_than_the_longest(attempt, longest):
    assert 0 < pause_before(attempt, longest) <= longest


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_a_pause_grows_with_the_attempts(attempt):
    assert 0.025 * 2 ** (attempt - 1) <= pause_before(attempt) <= 0.05 * 2 ** (attempt - 1)
