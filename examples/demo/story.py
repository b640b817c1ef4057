"""What each job goes through, as seen from outside by reading it again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from faciliter_jobs import Job, JobStatus

LOST = "worker lost"  # how the queue's own error begins when it takes a job back


@dataclass
class Attempt:
    worker: str | None = None  # None: over before it was seen
    error: str | None = None

    @property
    def was_lost(self) -> bool:
        return (self.error or "").startswith(LOST)


@dataclass
class Story:
    """One job's."""

    job_id: str
    company: str
    filename: str
    job: Job | None = None
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.company}/{self.filename}"

    @property
    def is_over(self) -> bool:
        return self.job is not None and self.job.status.is_terminal

    @property
    def was_completed(self) -> bool:
        return self.job is not None and self.job.status is JobStatus.COMPLETED

    @property
    def failures(self) -> list[str]:
        """Of attempts that ended with an error of the handler's."""
        return [attempt.error for attempt in self.attempts if attempt.error and not attempt.was_lost]

    @property
    def was_taken_over(self) -> bool:
        """An attempt was lost with its worker, and a later one ran elsewhere."""
        return any(
            lost.was_lost and any(later.worker != lost.worker for later in self.attempts[i + 1 :])
            for i, lost in enumerate(self.attempts)
        )

    def is_run_by(self, worker: str) -> bool:
        job = self.job
        return job is not None and job.status is JobStatus.PROCESSING and job.worker == worker


class Observer:
    """Keeps the stories up to date and tells what is new, in lines of plain text."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self.stories: dict[str, Story] = {}
        self.started_at = time.monotonic()
        self._tell = tell  # (style, text)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started_at

    def add(self, story: Story) -> None:
        self.stories[story.job_id] = story
        self._tell("", f"{story.name} submitted")

    def see(self, jobs: Iterable[Job]) -> None:
        for job in sorted(jobs, key=lambda job: job.updated_at):
            story = self.stories.get(job.job_id)
            if story is not None:
                self._see(story, job)

    def _see(self, story: Story, job: Job) -> None:
        before, story.job = story.job, job
        self._see_failures(story, job)
        if job.attempt > len(story.attempts):
            self._lengthen(story, job.attempt)
            story.attempts[-1].worker = job.worker
            again = f", attempt {job.attempt}" if job.attempt > 1 else ""
            self._tell("cyan", f"{story.name} started by {job.worker}{again}")
        if job.status.is_terminal and not (before and before.status.is_terminal):
            good = job.status is JobStatus.COMPLETED
            what = f"completed by {job.worker}" if good else f"{job.status.value}: {job.error}"
            self._tell("green" if good else "red", f"{story.name} {what}")

    def _see_failures(self, story: Story, job: Job) -> None:
        """`retry_count` says how many attempts have failed; `last_error` is the latest one's."""
        failed = job.retry_count
        if failed == 0:
            return
        self._lengthen(story, failed)
        attempt = story.attempts[failed - 1]
        if attempt.error is not None:
            return
        attempt.error = (job.metadata or {}).get("last_error") or "(no error text)"
        if attempt.was_lost:
            self._tell("yellow", f"{story.name} given back: the lease of {attempt.worker} ran out")
        else:
            self._tell("yellow", f"{story.name} will be tried again: {attempt.error}")

    def _lengthen(self, story: Story, attempts: int) -> None:
        while len(story.attempts) < attempts:
            story.attempts.append(Attempt())

    def completed(self) -> list[Story]:
        return [story for story in self.stories.values() if story.was_completed]

    def are_all_over(self) -> bool:
        return all(story.is_over for story in self.stories.values())
