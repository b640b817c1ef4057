"""The plot: workers start, jobs come in, a worker dies, and everything is finished all the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from examples.csv_to_xlsx.files import submit_file, tables_of, write_result
from faciliter_jobs import JobStatus, RedisJobQueue, list_jobs

from .report import Findings, check_workbook
from .story import Observer, Story
from .view import View
from .workers import WorkerProcess, check_alive, wait_until_ready

_LOOK_EVERY = 0.1  # seconds
_DEADLINE = 180.0  # seconds for the whole play
_COMPLETED_BEFORE_THE_KILL = 4
# The first attempts at these end with an error.
_FAIL_AT_FIRST = {
    "apollo_missions.csv": "the archive did not answer",
    "html_entities.csv": "the font service is busy",
}


class NotFinished(Exception):
    """The play takes too long."""


@dataclass
class Play:
    queue: RedisJobQueue
    view: View
    folder: Path
    output: Path
    environment: Mapping[str, str]
    step_seconds: float
    lease: float
    workers: list[WorkerProcess] = field(default_factory=list)
    observer: Observer = field(init=False)
    sources: dict[str, Path] = field(default_factory=dict)  # job id -> CSV file
    written: dict[str, Path] = field(default_factory=dict)  # job id -> XLSX file
    findings: Findings = field(default_factory=Findings)
    seconds_to_take_over: float | None = None

    def __post_init__(self) -> None:
        self.observer = Observer(self.view.tell)

    @property
    def stories(self) -> list[Story]:
        return list(self.observer.stories.values())

    def run(self) -> None:
        """Raises NotFinished, WorkerDied and the queue's errors."""
        deadline = time.monotonic() + _DEADLINE
        with self.view.shown():
            self._start_workers()
            self._submit()
            self._watch(deadline)
            for worker in self.workers:
                if worker.is_alive:
                    worker.stop(at_once=False)
            self._look()
            self.view.paint(self.observer, self.workers)
        self._collect()

    def stop(self) -> None:
        """Ends what still runs, however the play ended."""
        for worker in self.workers:
            if worker.is_alive:
                worker.stop(at_once=True)

    def _start_workers(self) -> None:
        self.output.mkdir(parents=True, exist_ok=True)
        for name in ("worker-1", "worker-2"):
            log = self.output / f"{name}.log"
            self.workers.append(WorkerProcess(name, log, self.environment, self.lease))
        self.view.tell("", "two worker processes start")
        self.view.paint(self.observer, self.workers)
        wait_until_ready(self.workers, lambda: [worker.name for worker in self.queue.stats().workers])

    def _submit(self) -> None:
        for company, file in tables_of(self.folder):
            extra: dict[str, object] = {"step_seconds": self.step_seconds}
            if file.name in _FAIL_AT_FIRST:
                extra["fail_first_attempt"] = _FAIL_AT_FIRST[file.name]
            job_id = submit_file(company, file, **extra)
            self.sources[job_id] = file
            self.observer.add(Story(job_id, company, file.name))
            self._look()

    def _watch(self, deadline: float) -> None:
        """Until all jobs are finished; on the way one worker is killed."""
        killed_at: float | None = None
        held: list[Story] = []
        while not self.observer.are_all_over():
            time.sleep(_LOOK_EVERY)
            self._look()
            check_alive(self.workers)
            if killed_at is None:
                held = self._kill_one()
                if any(worker.was_killed for worker in self.workers):
                    killed_at = time.monotonic()
            elif held and self.seconds_to_take_over is None and all(story.was_taken_over for story in held):
                self.seconds_to_take_over = time.monotonic() - killed_at
            if time.monotonic() > deadline:
                raise NotFinished(f"not finished within {_DEADLINE:g} s")

    def _look(self) -> None:
        for company in sorted({story.company for story in self.stories}):
            self.observer.see(list_jobs(company_id=company))
        self.view.paint(self.observer, self.workers)

    def _kill_one(self) -> list[Story]:
        """Kills a worker in the middle of a job, once a few are done; returns what it held."""
        if len(self.observer.completed()) < _COMPLETED_BEFORE_THE_KILL:
            return []
        for worker in self.workers:
            if any(_is_in_the_middle(story, worker) for story in self.stories):
                worker.kill()
                self._look()
                held = [story for story in self.stories if story.is_run_by(worker.name)]
                files = ", ".join(story.name for story in held) or "nothing"
                self.view.tell("bold red", f"SIGKILL to {worker.name} (pid {worker.pid}), which held {files}")
                return held
        return []

    def _collect(self) -> None:
        expect = self.findings.expect
        for story in self.stories:
            written = write_result(story.job_id, story.company, self.output)
            if written is not None:
                self.written[story.job_id] = written
            check_workbook(story, self.sources[story.job_id], written, self.findings)
            expect(story.was_completed, f"{story.name} was not completed")
            if story.filename in _FAIL_AT_FIRST:
                expect(bool(story.failures), f"{story.name} did not fail at first")
        submitted, counts = len(self.stories), self.queue.stats().counts
        expect(submitted > 0, "nothing was submitted")
        expect(
            counts.get(JobStatus.COMPLETED) == submitted and sum(counts.values()) == submitted,
            f"the queue doesn't count {submitted} completed jobs and no other: {counts}",
        )
        expect(any(worker.was_killed for worker in self.workers), "no worker was killed")
        expect(any(story.was_taken_over for story in self.stories), "no job was taken over")
        self.findings.wrong.extend(f"doctor: {problem}" for problem in self.queue.doctor())


def _is_in_the_middle(story: Story, worker: WorkerProcess) -> bool:
    """Far enough for the loss to be one, with time left before its end; not one that fails anyway."""
    job = story.job
    return (
        job is not None
        and story.is_run_by(worker.name)
        and 30 <= job.progress <= 60
        and (story.filename not in _FAIL_AT_FIRST or job.attempt > 1)
    )
