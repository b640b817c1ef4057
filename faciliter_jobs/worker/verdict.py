"""What an attempt's end is reported as."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass

from .. import retry, validate
from ..codec import Codec
from ..errors import MissingKeyError, NotSerialisableError, PayloadTooLargeError, UnrecoverableError
from ..record import Claimed
from ..scripts import Outcome

log = logging.getLogger("faciliter_jobs.worker")

_MAX_TRACEBACK_BYTES = 16_384
_SHORTEST_POSTPONEMENT_MS = 1000
_NEVER_AGAIN = -1  # turn.lua's max_retries for a failure that is final


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    max_retries: int
    retry_delay: float  # seconds
    backoff: retry.Backoff


class Verdicts:
    """Makes the outcomes that a worker reports."""

    def __init__(self, codec: Codec, policy: RetryPolicy) -> None:
        self._codec = codec
        self._policy = policy

    def completed(self, claimed: Claimed, result: object) -> Outcome:
        try:
            packed = self._codec.pack(result, "result", claimed.job_id)
        except (NotSerialisableError, PayloadTooLargeError) as error:
            return self.final(claimed, f"{type(error).__name__}: {error}")
        return Outcome(claimed.job_id, claimed.token, "completed", packed)

    def raised(self, claimed: Claimed, error: BaseException) -> Outcome:
        """A handler's exception."""
        log.warning("job %s (%s) failed", claimed.job_id, claimed.job_type, exc_info=error)
        final = isinstance(error, UnrecoverableError)
        return self._failed(claimed, _message(error), _traceback(error), final=final)

    def timed_out(self, claimed: Claimed, seconds: float) -> Outcome:
        return self.failed(claimed, timed_out_after(seconds))

    def failed(self, claimed: Claimed, message: str) -> Outcome:
        """A failure that no exception tells of."""
        log.warning("job %s (%s) failed: %s", claimed.job_id, claimed.job_type, message)
        return self._failed(claimed, message, "", final=False)

    def final(self, claimed: Claimed, message: str) -> Outcome:
        """A failure that another attempt would only repeat."""
        log.error("job %s (%s): %s", claimed.job_id, claimed.job_type, message)
        return self._failed(claimed, message, "", final=True)

    def postponed(self, claimed: Claimed, error: MissingKeyError) -> Outcome:
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

    def _failed(self, claimed: Claimed, message: str, trace: str, *, final: bool) -> Outcome:
        return Outcome(
            claimed.job_id,
            claimed.token,
            "failed",
            self._text(claimed, "error", validate.clip(message, validate.MAX_TEXT_BYTES)),
            self._text(claimed, "traceback", trace) if trace else "",
            0 if final else self._retry_delay_ms(claimed),
            _NEVER_AGAIN if final else self._policy.max_retries,
        )

    def _retry_delay_ms(self, claimed: Claimed) -> int:
        own = claimed.fields.get(b"retry_delay_ms")
        base = self._policy.retry_delay if own is None else int(own) / 1000
        retries = int(claimed.fields.get(b"retries", 0))
        return round(retry.delay_before(retries + 1, base, self._policy.backoff) * 1000)


def timed_out_after(seconds: float) -> str:
    return f"timed out after {seconds:g} s"


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
