"""An alias of `faciliter_jobs`, so that code written for faciliter-lib runs unchanged.

`faciliter_lib` itself has no `__init__.py` here: that is faciliter-lib's, where it is installed too.
"""

from typing import TYPE_CHECKING

import faciliter_jobs
from faciliter_jobs import *  # noqa: F403
from faciliter_jobs import __all__ as __all__

if TYPE_CHECKING:
    from faciliter_jobs import AsyncCompanyQueue as AsyncCompanyQueue
    from faciliter_jobs import AsyncJobQueue as AsyncJobQueue
    from faciliter_jobs import Depends as Depends
    from faciliter_jobs import JobApp as JobApp
    from faciliter_jobs import JobContext as JobContext
    from faciliter_jobs import create_async_job_queue as create_async_job_queue
else:

    def __getattr__(name):
        return getattr(faciliter_jobs, name)
