"""The pytest plugin, in test runs of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from faciliter_jobs.embedded import _listens

_TEST = """
import faciliter_jobs
from faciliter_jobs import JobApp, get_job_queue, submit_job

jobs = JobApp(company_id="acme")

@jobs.task
def add(a: int, b: int) -> int:
    return a + b
"""


# Other plugins, which this environment happens to have, only take time here.
_BARE = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest on a test file, in a process of its own."""

    def run(text, *args, **env):
        monkeypatch.delenv("TEST_REDIS_URL", raising=False)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        pytester.makepyfile(test_it=text)
        return pytester.runpytest_subprocess("-q", *_BARE, *args)

    return run


def _socket() -> Path:
    return Path(tempfile.gettempdir()) / f"faciliter-jobs-tests-{os.getuid()}" / "server.sock"


def test_a_real_queue_is_the_default_one_and_a_worker_runs_until_it_is_empty(run):
    result = run(
        _TEST
        + """
def test_it(job_queue, run_worker_until_empty):
    job_id = add.submit(1, 2)
    submit_job("plain", {"n": 1})
    assert get_job_queue() is job_queue
    done = run_worker_until_empty(jobs, {"plain": lambda job: job.input_data})
    assert [(job.job_type, job.result) for job in done] == [("add", 3), ("plain", {"n": 1})]
    assert job_queue.get_job(job_id).company_id == "acme"

def test_another_queue_is_empty(job_queue):
    assert job_queue.list_jobs() == []

def test_time_is_the_tests(job_queue, job_clock, run_worker_until_empty):
    add.options(delay=3600).submit(1, 1)
    assert run_worker_until_empty(jobs) == []
    job_clock.advance(3600)
    assert [job.result for job in run_worker_until_empty(jobs)] == [2]

def test_the_default_queue_is_as_before():
    assert faciliter_jobs.default.current_default() is None
"""
    )
    result.assert_outcomes(passed=4)
    assert not _listens(_socket()), "the server ends with the last test run that uses it"


def test_a_server_that_is_named_is_used_and_left_clean(run, server, make_queue):
    config = make_queue().config
    url = f"unix://{config.unix_socket}" if config.unix_socket else f"redis://{config.host}:{config.port}"
    before = set(server.client().scan_iter(count=10_000))
    result = run(
        _TEST
        + f"""
import os

def test_it(job_queue):
    assert job_queue.config.location.startswith({url!r})
    add.submit(1, 2)
    open("prefix", "w").write(job_queue.tag)
""",
        TEST_REDIS_URL=url,
    )
    result.assert_outcomes(passed=1)
    tag = Path("prefix").read_text()
    left = {key.decode() for key in set(server.client().scan_iter(count=10_000)) - before}
    assert [key for key in left if key.startswith(tag)] == []


def test_workers_of_xdist_share_a_server_and_no_jobs(run):
    result = run(
        _TEST
        + '''
import pytest

@pytest.mark.parametrize("n", range(8))
def test_it(job_queue, run_worker_until_empty, n):
    add.submit(n, 1)
    assert [job.result for job in run_worker_until_empty(jobs)] == [n + 1]
    assert len(job_queue.list_jobs()) == 1
    run_id = job_queue.transport.command("INFO", "server").decode().split("run_id:")[1][:40]
    with open(f"run-{n}", "w") as file:
        file.write(f"{os.environ['PYTEST_XDIST_WORKER']} {run_id} {job_queue.tag}")
'''.replace("import pytest", "import os\nimport pytest"),
        "-n", "2",
    )  # fmt: skip
    result.assert_outcomes(passed=8)
    seen = [path.read_text().split() for path in Path.cwd().glob("run-*")]
    assert len({worker for worker, _, _ in seen}) == 2
    assert len({run_id for _, run_id, _ in seen}) == 1, "one server"
    assert len({tag for _, _, tag in seen}) == 8, "a prefix for each test"
    assert not _listens(_socket())


def test_unused_it_costs_nothing(run):
    result = run("""
import sys

def test_it(request):
    assert request.config.pluginmanager.has_plugin("faciliter_jobs")
    loaded = {name.split(".")[0] for name in sys.modules}
    assert loaded & {"faciliter_jobs", "redis", "msgpack"} == set()
""")
    result.assert_outcomes(passed=1)


def test_the_fixtures_are_listed_with_what_they_are_for(pytester):
    result = pytester.runpytest_subprocess("--fixtures", "-q", *_BARE)
    result.stdout.fnmatch_lines(["job_queue -- *", "    A real queue with a prefix of its own*"])
    for name in ("job_server", "job_clock", "run_worker_until_empty"):
        result.stdout.fnmatch_lines([f"{name}*"])
