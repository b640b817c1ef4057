"""The examples of docs/tasks.md, run as one module."""

from __future__ import annotations

import importlib

from faciliter_jobs import JobStatus
from faciliter_jobs.testing import JobClock, run_worker_until_empty
from tests.support.docs import examples


def test_the_examples_run(default_queue, tmp_path, monkeypatch, capsys):
    JobClock(default_queue)  # so that what is delayed isn't waited for
    (tmp_path / "tasks_example.py").write_text(examples("tasks.md"))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("tasks_example")
    done = run_worker_until_empty(default_queue, module.jobs)
    assert {job.status for job in done} == {JobStatus.COMPLETED}
    results = {job.job_type: job.result for job in done}
    assert results == {
        "images.blur": b"...", "invoice": {"pen": 3}, "report": 1, "count": 0, "mail.send": None,
    }  # fmt: skip
    assert module.Count.started == len(done)
    assert capsys.readouterr().out.count("bye") == 1
    assert len(default_queue.list_jobs(JobStatus.PENDING, company_id="acme", user_id="ann")) == 1
