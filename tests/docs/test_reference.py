"""Every snippet of docs/reference/quick-reference.md runs as written: taken from the text, not retyped.

What a snippet leaves to its reader (`process_something`, a job that exists, a worker that ends) is put
into its namespace; where the text calls for a server at redis.example.com:6379, that name is resolved to
a server of the test's own.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import faciliter_lib.jobs as jobs
from faciliter_jobs import JobConfig, get_job_queue, set_job_queue
from tests.support.server import ServerProcess
from tests.support.wait import until

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "quick-reference.md").read_text("utf-8")


@dataclasses.dataclass
class Snippet:
    language: str
    name: str  # the headings that it stands under
    code: str


def _snippets() -> list[Snippet]:
    found, headings = [], {2: "", 3: ""}
    for match in re.finditer(r"^(#{2,3}) ([^\n]+)$|^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        marks, heading, language, code = match.groups()
        if marks:
            headings[len(marks)] = heading.strip()
            if len(marks) == 2:
                headings[3] = ""
        else:
            found.append(Snippet(language, " / ".join(h for h in headings.values() if h), code))
    return found


SNIPPETS = _snippets()
PYTHON = {snippet.name: snippet.code for snippet in SNIPPETS if snippet.language == "python"}


def snippet(name: str) -> str:
    return PYTHON[name]


def run(name: str, **given: Any) -> dict[str, Any]:
    """Executes the snippet with the documented names, and those given, in its namespace."""
    namespace: dict[str, Any] = {n: getattr(jobs, n) for n in jobs.__all__}
    from typing import Any as AnyType
    from typing import Optional

    namespace.update(Optional=Optional, Dict=dict, Any=AnyType, **given)
    exec(compile(snippet(name), f"<{name}>", "exec"), namespace)
    return namespace


def run_until(name: str, done: Callable[[], Any], **given: Any) -> None:
    """For a snippet that starts a worker and blocks: runs it in a thread until `done`, then stops it."""
    workers: list[jobs.JobWorker] = []

    class Worker(jobs.JobWorker):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            workers.append(self)

    errors: list[BaseException] = []

    def body() -> None:
        # The snippet imports JobWorker itself, so the class is put where it imports it from.
        try:
            run(name, **given)
        except BaseException as error:
            errors.append(error)

    original, jobs.JobWorker = jobs.JobWorker, Worker
    thread = threading.Thread(target=body)
    try:
        thread.start()
        until(lambda: errors or done())
    finally:
        for worker in workers:
            worker.stop()
        thread.join(10)
        jobs.JobWorker = original
    assert errors == [] and not thread.is_alive()


def test_the_reference_has_the_snippets_that_are_tested_here():
    assert len([s for s in SNIPPETS if s.language == "python"]) == len(PYTHON), "each has a name of its own"
    tested = set(re.findall(r'(?:run|run_until|snippet)\(\s*"([^"]+)"', Path(__file__).read_text("utf-8")))
    assert set(PYTHON) - tested == set()


def test_installation():
    namespace: dict[str, Any] = {}
    exec(snippet("Installation"), namespace)
    assert namespace["JobStatus"] is jobs.JobStatus


def test_environment_variables_and_their_defaults():
    (env,) = [s.code for s in SNIPPETS if s.language == "env"]
    documented = dict(re.findall(r"^(JOB_QUEUE_\w+)=([^\s#]*)", env, re.MULTILINE))
    assert len(documented) == 9
    assert JobConfig.from_env(documented) == JobConfig.from_env({}) == JobConfig()
    config = JobConfig()
    assert {
        "JOB_QUEUE_HOST": config.host,
        "JOB_QUEUE_PORT": str(config.port),
        "JOB_QUEUE_DB": str(config.db),
        "JOB_QUEUE_PASSWORD": config.password or "",
        "JOB_QUEUE_PREFIX": config.prefix,
        "JOB_QUEUE_TTL": str(config.default_ttl),
        "JOB_QUEUE_MAX_CONNECTIONS": str(config.max_connections),
        "JOB_QUEUE_RETRY_ON_TIMEOUT": str(config.retry_on_timeout).lower(),
        "JOB_QUEUE_SOCKET_TIMEOUT": str(config.socket_timeout),
    } == documented
    fallback = {name.replace("JOB_QUEUE", "REDIS"): value for name, value in documented.items()}
    fallback["REDIS_HOST"] = "elsewhere"
    assert JobConfig.from_env(fallback).host == "elsewhere"


def test_submit_a_job(default_queue, capsys):
    job_id = run("Quick Start / 1. Submit a Job")["job_id"]
    assert capsys.readouterr().out == f"Job submitted: {job_id}\n"
    job = default_queue.get_job(job_id)
    assert (job.job_type, job.input_data) == ("my_task", {"param1": "value1", "param2": "value2"})
    assert (job.company_id, job.user_id, job.session_id) == ("company1", "user1", "session1")
    assert job.metadata == {"source": "api"}
    ttl = default_queue.transport.command("HGET", f"{default_queue.tag}job:{job_id}", "ttl")
    assert int(ttl) == 3_600_000


@pytest.mark.parametrize("end", ["completed", "failed", "none"])
def test_check_job_status(default_queue, capsys, end):
    job_id = default_queue.submit_job("my_task")
    if end == "completed":
        default_queue.complete_job(job_id, {"n": 1})
    elif end == "failed":
        default_queue.fail_job(job_id, "no")
    run("Quick Start / 2. Check Job Status", job_id="gone" if end == "none" else job_id)
    said = capsys.readouterr().out
    expected = {
        "completed": "Status: completed\nProgress: 100%\nMessage: None\nResult: {'n': 1}\n",
        "failed": "Status: failed\nProgress: 0%\nMessage: None\nError: no\n",
        "none": "",
    }
    assert said == expected[end]


def test_create_a_worker(default_queue):
    job_id = default_queue.submit_job("my_task", {"param1": "a", "param2": "b"})
    run_until(
        "Quick Start / 3. Create a Worker",
        lambda: default_queue.get_job_result(job_id),
        process_something=lambda a, b: a + b,
    )
    assert default_queue.get_job_result(job_id) == {"success": True, "data": "ab"}


def test_function_based_handler(default_queue):
    job_id = default_queue.submit_job("my_task", {"param1": 20})
    run_until(
        "Quick Start / 4. Function-Based Handler",
        lambda: default_queue.get_job_result(job_id),
        do_something=lambda value: value + 1,
    )
    assert default_queue.get_job_result(job_id) == {"result": 21}


def _documented_parameters(code: str) -> list[tuple[str, str]]:
    return re.findall(r"^    (\w+): [^=,#]+?(?: = (\w+))?,", code, re.MULTILINE)


def test_job_submission_has_the_documented_signature():
    documented = _documented_parameters(snippet("Core API / Job Submission"))
    assert len(documented) == 7
    for function in (jobs.submit_job, jobs.RedisJobQueue.submit_job):
        parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
        for parameter, (name, default) in zip(parameters, documented):
            assert parameter.name == name and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            assert parameter.default is (inspect.Parameter.empty if default == "" else None)
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters[len(documented) :])
        assert get_type_hints(function)["return"] is str


@pytest.mark.parametrize("completed", [True, False])
def test_job_status_and_results(default_queue, completed):
    job_id = default_queue.submit_job("t")
    if completed:
        default_queue.complete_job(job_id, {"data": 1})
    namespace = run("Core API / Job Status & Results", job_id=job_id)
    assert namespace["job"].job_id == job_id
    assert namespace["result"] == ({"data": 1} if completed else None)


def test_update_job_progress(default_queue):
    job_id = default_queue.submit_job("t", job_id="...")  # the snippet's own id
    run("Core API / Update Job Progress (from worker)")
    job = default_queue.get_job(job_id)
    assert (job.progress, job.progress_message) == (50, "Processing step 5 of 10")


def test_complete_or_fail_job(default_queue):
    job_id = default_queue.submit_job("t")
    run("Core API / Complete or Fail Job (from worker)", job_id=job_id)
    job = default_queue.get_job(job_id)
    # Completed first; the failure that the snippet shows after it changes a finished job no more.
    assert (job.status.value, job.result, job.error) == ("completed", {"data": "..."}, None)


def test_list_jobs(default_queue):
    first = default_queue.submit_job("t", company_id="company1", user_id="user1")
    second = default_queue.submit_job("t", company_id="company2", user_id="user1")
    default_queue.complete_job(first)
    namespace = run("Core API / List Jobs")
    ids = {name: [j.job_id for j in namespace[name]] for name in ("pending", "company_jobs", "user_jobs")}
    assert ids == {"pending": [second], "company_jobs": [first], "user_jobs": [second, first]}


def test_cleanup(clock, default_queue):
    job_id = default_queue.submit_job("t", ttl=10**6)
    default_queue.fail_job(job_id, "no")
    clock.advance(86_399)
    assert run("Core API / Cleanup")["deleted_count"] == 0
    clock.advance(1)
    assert run("Core API / Cleanup")["deleted_count"] == 1
    assert default_queue.get_job(job_id) is None


def test_the_job_object_has_the_documented_fields_and_defaults():
    documented = re.findall(
        r"^    (\w+): [^=#\n]+?(?: = (\w+))? *(?:#.*)?$", snippet("Job Object"), re.MULTILINE
    )
    assert len(documented) == 14
    fields = {field.name: field for field in dataclasses.fields(jobs.Job)}
    for name, default in documented:
        assert name in fields
        if default:
            assert fields[name].default == {"0": 0, "None": None}[default]
    assert [name for name, _ in documented[:5]] == [field.name for field in dataclasses.fields(jobs.Job)[:5]]


def test_the_job_status_enum():
    run("JobStatus Enum")
    names = re.findall(r"^JobStatus\.(\w+)", snippet("JobStatus Enum"), re.MULTILINE)
    assert [status.name for status in jobs.JobStatus] == names
    assert [status.value for status in jobs.JobStatus] == [name.lower() for name in names]


def test_worker_configuration(default_queue, capsys):
    """The snippet starts the worker, which blocks until it is stopped, then goes on."""

    class MyHandler(jobs.JobHandler):
        def handle(self, job: jobs.Job) -> dict[str, Any]:
            return {"by": "class"}

    by_class, by_function = default_queue.submit_job("my"), default_queue.submit_job("task_type")

    run_until(
        "Worker Configuration",
        lambda: all(default_queue.get_job(i).status.is_terminal for i in (by_class, by_function)),
        MyHandler=MyHandler,
        my_function=lambda job: {"by": "function"},
    )
    assert default_queue.get_job_result(by_class) == {"by": "class"}
    assert default_queue.get_job_result(by_function) == {"by": "function"}
    assert capsys.readouterr().out == ""  # stopped, so not active


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def redis_example_com(monkeypatch):
    """A server with the snippet's password behind the snippet's name and port."""
    port = _free_port()
    server = ServerProcess(port=str(port), bind="127.0.0.1", requirepass="secret")
    look_up = socket.getaddrinfo

    def resolve(host: Any, asked: Any, *args: Any, **kwargs: Any) -> Any:
        if (host, asked) == ("redis.example.com", 6379):
            host, asked = "127.0.0.1", port
        return look_up(host, asked, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield server
    server.stop()


def test_custom_job_queue(redis_example_com):
    try:
        namespace = run("Advanced: Custom Job Queue")
        assert get_job_queue() is namespace["queue"]
        job_id = jobs.submit_job("t")
        client = namespace["queue"].transport
        assert client.command("HGET", "{myapp:jobs:}job:" + job_id, "ttl") == b"7200000"
        assert b"db=1" in client.command("CLIENT", "INFO")
    finally:
        set_job_queue(None)


def test_error_handling_in_workers(default_queue, run_worker):
    handler = run("Error Handling / In Workers")["MyHandler"]()
    job_id = default_queue.submit_job("my")
    worker = jobs.JobWorker(default_queue, poll_interval=0.05, retry_delay=0.01, max_retries=2)
    worker.register_handler(handler)
    worker.start(max_jobs=3)
    job = default_queue.get_job(job_id)
    assert (job.status, job.error) == (jobs.JobStatus.FAILED, "ValueError: Missing input data")
    assert job.metadata["retry_count"] == 2


def test_error_handling_in_clients(default_queue, capsys):
    job_id = default_queue.submit_job("t")

    def broken(job: jobs.Job) -> None:
        raise ValueError("broken")

    worker = jobs.JobWorker(default_queue, poll_interval=0.05, retry_delay=0.01, max_retries=1)
    worker.register_function_handler("t", broken)
    worker.start(max_jobs=2)
    run("Error Handling / In Clients", job_id=job_id)
    assert capsys.readouterr().out == "Job failed: ValueError: broken\nRetries attempted: 1\n"


def test_multi_tenancy(default_queue):
    default_queue.submit_job("task", company_id="company2")
    namespace = run("Multi-Tenancy")
    assert [job.job_id for job in namespace["company_jobs"]] == [namespace["job_id"]]


def test_progress_reporting_pattern(default_queue):
    steps = []
    handler = run("Patterns / Progress Reporting", process_step=steps.append)["LongRunningHandler"]()
    job_id = default_queue.submit_job("longrunning")
    worker = jobs.JobWorker(default_queue)
    worker.register_handler(handler)
    worker.start(max_jobs=1)
    job = default_queue.get_job(job_id)
    assert steps == list(range(10))
    assert (job.progress_message, job.result) == ("Processing step 10/10", {"completed": True})


def test_file_processing_pattern(default_queue):
    handler = run("Patterns / File Processing", process_file=bytes.upper)["FileHandler"]()
    job_id = default_queue.submit_job("file", {"file_content": "YWJj"})
    worker = jobs.JobWorker(default_queue)
    worker.register_handler(handler)
    worker.start(max_jobs=1)
    assert default_queue.get_job_result(job_id) == {"file_bytes_b64": "QUJD", "filename": "result.xlsx"}


class _Enough(Exception):
    pass


def test_cleanup_schedule_pattern(clock, default_queue, monkeypatch, capsys):
    """The snippet loops for ever: its sleep moves schedule's clock on by seven hours, then ends it."""
    import schedule

    job_id = default_queue.submit_job("t", ttl=10**6)
    default_queue.complete_job(job_id)
    clock.advance(86_400)
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise _Enough
        for task in schedule.get_jobs():
            task.next_run = task.next_run.replace(year=2000)

    monkeypatch.setattr(time, "sleep", sleep)
    try:
        with pytest.raises(_Enough):
            run("Patterns / Cleanup Schedule")
    finally:
        schedule.clear()
    assert slept == [60, 60]
    assert capsys.readouterr().out == "Cleaned up 1 old jobs\n"


def test_mock_queue():
    try:
        namespace = run("Testing / Mock Queue")
        assert namespace["job_id"] == "test-job-id"
    finally:
        set_job_queue(None)


def test_test_handler():
    class MyTaskHandler(jobs.JobHandler):
        def handle(self, job: jobs.Job) -> dict[str, Any]:
            assert job.input_data == {"param1": "value1"}
            return {"success": True}

    run("Testing / Test Handler", MyTaskHandler=MyTaskHandler)["test_my_handler"]()
