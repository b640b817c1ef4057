"""A job that was handed over is begun before `adopt` has said so."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence

from .. import scripts
from ..errors import JobQueueError
from ..forks import call_in_child
from ..record import Claimed, begun_from_reply
from ..transport import Pending, Transport
from .inbox import Handed, clock

# Seconds within which it must have been handed over: the lease of a hand-over lasts 2 s, and `adopt` may take
# the rest to get there.
_FRESH = 1.0


class Adoption:
    """What was handed over has a lease of its own, and `show` tells what it is. So the handler doesn't wait
    for `adopt`: that is sent before it is called (the attempt counts also when the handler ends the process),
    and its reply is read by `confirm` before anything is said to the server that relies on it.

    Not so where it matters whether the job is ours still: it must not run twice, or came a while ago.
    """

    def __init__(
        self,
        transport: Transport,
        tag: str,
        worker: str,
        lease_ms: int,
        max_retries: int,
        on_gone: Callable[[str, str], None],
    ) -> None:
        read = functools.partial(begun_from_reply, worker=worker, max_retries=max_retries)
        self.show = scripts.handed(tag, worker=worker, read=read)
        self._adopt_beside = functools.partial(scripts.adopt, tag, worker=worker, lease_ms=lease_ms)
        self.adopt = self._adopt_beside(known=())
        self._transport = transport
        self._on_gone = on_gone  # token and id of a job that was begun and isn't ours
        self._lock = threading.RLock()
        self._begun: Claimed | None = None
        self._pending: Pending[list[Claimed]] | None = None
        self._known: Sequence[str] = ()
        self._next = transport.prepare(self.adopt)  # packed while there is time
        call_in_child(self._forget_pending)

    def begin(self, handed: Handed, known: Sequence[str] = ()) -> Claimed | None:
        """The attempt to run at once; None when `adopt` is to be waited for. `known`: ids of other jobs that
        the worker holds. Raises as `Transport.run` does: then it stands in the worker's own list."""
        begun = self.show.parse(handed.shown)
        if begun is None or clock() - handed.since > _FRESH:
            return None
        pending = self._transport.prepare(self._adopt_beside(known=known)) if known else self._next
        pending.send()
        with self._lock:
            self._begun, self._pending, self._known = begun, pending, known
        return begun

    def confirm(self) -> None:
        """Waits until the server has begun what was begun here. When it had given the job to another, that is
        told. Raises as `Transport.run` does; the next call tries again."""
        if self._begun is None:
            return
        with self._lock:
            begun, pending, self._pending = self._begun, self._pending, None
            if begun is None:
                return
            adopted = self._reply(pending)
            self._begun = None
            self._next = self._transport.prepare(self.adopt)
        if all(claimed.token != begun.token for claimed in adopted):
            self._on_gone(begun.token, begun.job_id)

    def _forget_pending(self) -> None:
        """In a process that a handler has forked: the reply, and the lock somebody held, are the worker's."""
        self._lock = threading.RLock()
        self._pending = None

    def _reply(self, pending: Pending[list[Claimed]] | None) -> list[Claimed]:
        if pending is not None:
            try:
                pending.wait()
                return pending.result()
            except JobQueueError:
                pass  # perhaps carried out: asked again, it says the same
        return self._transport.run(self._adopt_beside(known=self._known))
