"""Every error that this package raises.

Each derives from `JobQueueError`, and from the built-in error that a caller would expect to catch.
"""

from __future__ import annotations


class JobQueueError(Exception):
    """Base of all errors of this package."""


class InvalidArgumentError(JobQueueError, ValueError):
    """An argument has a value that can't be used; the message names it and the limit."""


class InvalidTypeError(JobQueueError, TypeError):
    """An argument has the wrong type; the message names it."""


class NotSerialisableError(JobQueueError, TypeError):
    """A value can't be stored; the message names its path, such as `input_data.rows[3].when`."""


class UndecodableError(JobQueueError, ValueError):
    """A stored value can't be read back."""


class EncryptionError(UndecodableError):
    """A stored value can't be decrypted: it was changed, or belongs to another job or field."""


class MissingKeyError(EncryptionError):
    """A stored value is encrypted with a key that this client doesn't have."""


class PayloadTooLargeError(JobQueueError, ValueError):
    """A packed field is larger than `JobConfig.max_payload_bytes`."""


class ConfigError(JobQueueError, ValueError):
    """A setting or an environment variable is malformed; the message names it."""


class QueueUnavailableError(JobQueueError, ConnectionError):
    """The server can't be reached, or refuses this client."""


class QueueRefusedError(QueueUnavailableError):
    """It won't help to try again: the server refuses this client (its password, say), or the certificates of
    one of the two are not what the other trusts."""


class QueueTimeoutError(QueueUnavailableError, TimeoutError):
    """The server didn't answer within `socket_timeout`."""


class AccessDeniedError(JobQueueError, PermissionError):
    """The server's access rules (ACL) don't let this user do that; `faciliter-jobs acl` prints rules."""


class QueueFullError(JobQueueError):
    """The server has reached its memory limit and accepts no new jobs (Redis `OOM`)."""


class SchemaError(JobQueueError):
    """The stored data was written by a version of this package with another layout of it."""


class ScriptFailedError(JobQueueError):
    """A script ended with an error; the message names the Lua file and line."""


class UnrecoverableError(JobQueueError):
    """For handlers to raise: the job is FAILED at once, whatever retries it has left.

    `raise UnrecoverableError from error`, without a text, gives the job that error's text.
    """


class JobCancelledError(JobQueueError):
    """Raised by `job.raise_if_cancelled()`; the message says why. A handler lets it out: nothing is
    reported of an attempt that isn't wanted any more."""


class WaitTimeoutError(JobQueueError, TimeoutError):
    """What was waited for didn't happen within the time given."""


class JobNotFoundError(JobQueueError, LookupError):
    """There is no job of this id (any more)."""


class JobEndedError(JobQueueError, RuntimeError):
    """A job ended, and has no result. `job_id` says which, `error` why, `traceback` where if it is known."""

    def __init__(self, job_id: str, error: str | None, traceback: str | None = None) -> None:
        super().__init__(job_id, error, traceback)
        self.job_id = job_id
        self.error = error
        self.traceback = traceback


class JobFailedError(JobEndedError):
    """The job FAILED."""

    def __str__(self) -> str:
        return f"job {self.job_id} failed: {self.error}"


class JobWasCancelledError(JobEndedError):
    """The job that was waited for was CANCELLED. (JobCancelledError is for the job that runs.)"""

    def __str__(self) -> str:
        return f"job {self.job_id} was cancelled: {self.error}"


class EmbeddedServerError(JobQueueError, RuntimeError):
    """The embedded server can't be found or started."""
