"""The examples of docs/testing.md, as the test files that they are."""

from __future__ import annotations

from tests.support.docs import blocks


def test_the_examples_run(pytester, monkeypatch):
    monkeypatch.delenv("TEST_REDIS_URL", raising=False)
    app, in_line, fixtures = blocks("testing.md")
    pytester.makepyfile(app=app, test_in_line=in_line, test_fixtures=fixtures)
    pytester.makeini("[pytest]\npythonpath = .")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=8)
