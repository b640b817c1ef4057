"""Who waits for a job to end."""

from __future__ import annotations

from typing import Any

from faciliter_jobs import keys
from tests.support.server import client_of
from tests.support.wait import until


def until_waited_for(queue: Any, job_id: str) -> None:
    """Until somebody has subscribed to the job's channel, and looks at the job, so knows it."""
    channel, client = keys.done(queue.tag, job_id), client_of(queue.config)
    until(lambda: dict(client.pubsub_numsub(channel))[channel.encode()] > 0)
    until(lambda: client.exists(queue.tag + "waited"))
