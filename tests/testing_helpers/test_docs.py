"""docs/testing.md: the examples, as the test files that they are, and the list of what EagerQueue lacks."""

from __future__ import annotations

from pathlib import Path

from faciliter_jobs import RedisJobQueue
from faciliter_jobs.testing import EagerQueue
from tests.support.docs import blocks


def test_the_examples_run(pytester, monkeypatch):
    monkeypatch.delenv("TEST_REDIS_URL", raising=False)
    app, in_line, fixtures = blocks("testing.md")
    pytester.makepyfile(app=app, test_in_line=in_line, test_fixtures=fixtures)
    pytester.makeini("[pytest]\npythonpath = .")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=8)


def test_every_call_that_the_eager_queue_lacks_is_named():
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    named = text.partition("What it has not:")[2].partition("\n\n")[0]
    calls = {name for name in dir(RedisJobQueue) if not name.startswith("_")}
    lacking = calls - set(dir(EagerQueue))
    assert lacking and {name for name in lacking if f"`{name}`" not in named} == set()
    assert not hasattr(EagerQueue, "__enter__") and "`with queue:`" in named
