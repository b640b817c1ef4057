"""Runs one attempt's handler, and turns whatever comes of it into an outcome."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from .. import context, retry, validate
from ..errors import (
    MissingKeyError,
    NotSerialisableError,
    PayloadTooLargeError,
    UndecodableError,
    UnrecoverableError,
)
from ..handlers import JobHandler
from ..queue import RedisJobQueue
from ..record import Claimed
from ..scripts import Outcome

log = logging.getLogger("faciliter_jobs.worker")

_MAX_TRACEBACK_BYTES = 16_384
_SHORTEST_POSTPONEMENT_MS = 1000
_NEVER_AGAIN = -1  # turn.lua's max_retries for a failure that is final


class GiveUp(BaseException):
    """Raised in the running handler by the second stop signal."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    max_retries: int
    retry_delay: float  # seconds
    backoff: retry.Backoff


class Executor:
    def __init__(self, queue: RedisJobQueue, handlers: Mapping[str, JobHandler], policy: RetryPolicy) -> None:
        self._queue = queue
        self._codec = queue.operations.codec
        self._handlers = handlers
        self._policy = policy
        self.in_handler = False

    def run(self, claimed: Claimed) -> Outcome:
        """Never raises, but for GiveUp."""
        handler = self._handlers.get(claimed.job_type)
        if handler is None:
            return self._final(claimed, f"No handler registered for job type: {claimed.job_type}")
        try:
            job = claimed.job(self._codec.cipher)
        except MissingKeyError as error:
            return self._postponed(claimed, error)
        except UndecodableError as error:
            return self._final(claimed, f"UndecodableError: {error}")
        reset = context.current.set(context.Attempt(claimed.job_id, claimed.token, self._queue))
        self.in_handler = True
        try:
            result = handler.handle(job)
        except GiveUp:
            raise
        except BaseException as error:  # SystemExit and its like end the attempt, not the worker
            return self._failed(claimed, error)
        finally:
            self.in_handler = False
            context.current.reset(reset)
        return self._completed(claimed, result)

    def _completed(self, claimed: Claimed, result: object) -> Outcome:
        try:
            packed = self._codec.pack(result, "result", claimed.job_id)
        except (NotSerialisableError, PayloadTooLargeError) as error:
            return self._final(claimed, f"{type(error).__name__}: {error}")
        return Outcome(claimed.job_id, claimed.token, "completed", packed)

    def _failed(self, claimed: Claimed, error: BaseException) -> Outcome:
        log.warning("job %s (%s) failed", claimed.job_id, claimed.job_type, exc_info=error)
        return Outcome(
            claimed.job_id,
            claimed.token,
            "failed",
            self._text(claimed, "error", validate.clip(_message(error), validate.MAX_TEXT_BYTES)),
            self._text(claimed, "traceback", _traceback(error)),
            self._retry_delay_ms(claimed),
            _NEVER_AGAIN if isinstance(error, UnrecoverableError) else self._policy.max_retries,
        )

    def _final(self, claimed: Claimed, message: str) -> Outcome:
        """A failure that another attempt would only repeat."""
        log.error("job %s (%s): %s", claimed.job_id, claimed.job_type, message)
        return Outcome(
            claimed.job_id,
            claimed.token,
            "failed",
            self._text(claimed, "error", validate.clip(message, validate.MAX_TEXT_BYTES)),
            max_retries=_NEVER_AGAIN,
        )

    def _postponed(self, claimed: Claimed, error: MissingKeyError) -> Outcome:
        """This worker can't read the job, another may: it waits for that, and loses no retry."""
        log.error("job %s (%s) is left to others: %s", claimed.job_id, claimed.job_type, error)
        return Outcome(
            claimed.job_id,
            claimed.token,
            "postponed",
            f"{type(error).__name__}: {error}",
            retry_delay_ms=max(_SHORTEST_POSTPONEMENT_MS, round(self._policy.retry_delay * 1000)),
        )

    def _text(self, claimed: Claimed, field: str, text: str) -> str | bytes:
        return self._codec.text(text, field, claimed.job_id)

    def _retry_delay_ms(self, claimed: Claimed) -> int:
        own = claimed.fields.get(b"retry_delay_ms")
        base = self._policy.retry_delay if own is None else int(own) / 1000
        retries = int(claimed.fields.get(b"retries", 0))
        return round(retry.delay_before(retries + 1, base, self._policy.backoff) * 1000)


def _message(error: BaseException) -> str:
    """`ValueError: Missing input data`; an error whose own text can't be made is named at least."""
    if isinstance(error, UnrecoverableError) and not error.args and error.__cause__ is not None:
        error = error.__cause__
    try:
        text = str(error)
    except Exception as second:
        text = f"<{type(second).__name__} while its message was made>"
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _traceback(error: BaseException) -> str:
    """Its end when it is long: that is where the error was raised."""
    try:
        lines = traceback.format_exception(error)
    except Exception as second:
        return f"<{type(second).__name__} while the traceback was made>"
    encoded = "".join(lines).encode("utf-8", "replace")
    if len(encoded) > _MAX_TRACEBACK_BYTES:
        encoded = b"...\n" + encoded[-_MAX_TRACEBACK_BYTES:]
    return encoded.decode("utf-8", "replace")
