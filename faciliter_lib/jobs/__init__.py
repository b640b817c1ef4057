"""An alias of `faciliter_jobs`, so that code written for faciliter-lib runs unchanged."""

from faciliter_jobs import *  # noqa: F403
from faciliter_jobs import __all__ as __all__
