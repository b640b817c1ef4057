"""The server side of an exploration: the real scripts, on a real server, from any state to the next.

One step is three commands in one go: put a state there, call the script, take the whole state off.
Each (state, call) is asked of the server once, each new state is checked once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiredis import pack_command
from redis import exceptions as redis_errors

from faciliter_jobs import RedisJobQueue, scripts
from faciliter_jobs.scripts.compose import compose
from faciliter_jobs.transport import Transport
from tests.protocol import checks
from tests.protocol.calls import Asked, Command, Given, Terms, command
from tests.protocol.contents import EMPTY, PUT, START_MS, TAKE, Parsed, View, pass_time
from tests.support.clock import _SET_CLOCK

_AT_ONCE = 256  # commands that are sent before their replies are read

_State = int  # the number of a content
Reply = Any


class _Scripts(Transport):
    """The scripts with a clock that is set, from the project's folder or a patched copy of it."""

    folder: Path | None = None

    def _text_of(self, script: str) -> str:
        return compose(script, self.folder, swapped={"clock": _SET_CLOCK}).text


@dataclass
class Answer:
    after: _State
    given: Given
    problem: str | None  # what is wrong with this step


class World:
    def __init__(
        self, queue: RedisJobQueue, terms: Terms, lua: Path | None = None, thorough: bool = False
    ) -> None:
        self.tag = queue.tag
        self.terms = terms
        self.thorough = thorough  # ask the doctor for everything, not for the records only
        self._transport = _Scripts(queue.config)
        self._transport.folder = lua
        self._connection = self._transport.new_connection()
        self._put, self._take = (self._load(text) for text in (PUT, TAKE))
        self._commands: dict[Asked, tuple[bytes, Command]] = {}
        self._answers: dict[tuple[_State, Asked], Answer] = {}
        self._later: dict[_State, _State] = {}
        self._contents: list[bytes] = []
        self._numbers: dict[bytes, _State] = {}
        self._fresh: list[_State] = []
        self.views: list[View] = []
        self.problems: dict[_State, str] = {}
        self._exchange([self._taking()])
        self.empty = self._number(EMPTY)

    def close(self) -> None:
        self._exchange([self._taking()])
        self._connection.disconnect()
        self._transport.close()

    @property
    def states(self) -> int:
        return len(self._contents)

    @property
    def steps(self) -> int:
        return len(self._answers)

    def words(self) -> Iterable[str]:
        """All that was heard of reported ends."""
        return (word for answer in self._answers.values() for word in answer.given.words)

    # --- steps ------------------------------------------------------------------------------------

    def ask(self, questions: Iterable[tuple[_State, Asked]]) -> None:
        """Finds the answers that aren't known yet."""
        new = [q for q in dict.fromkeys(questions) if q not in self._answers]
        for first in range(0, len(new), _AT_ONCE):
            some = new[first : first + _AT_ONCE]
            sent: list[bytes] = []
            for state, asked in some:
                sent += (self._putting(state), self._command(asked)[0], self._taking())
            replies = self._exchange(sent)
            for i, (state, asked) in enumerate(some):
                self._keep(state, asked, *replies[3 * i : 3 * i + 3])

    def answer(self, state: _State, asked: Asked) -> Answer:
        return self._answers[state, asked]

    def later(self, state: _State) -> _State:
        """The state when terms.step_ms have passed."""
        if state not in self._later:
            self._later[state] = self._number(
                pass_time(self._contents[state], self.terms.step_ms, self.terms.expire)
            )
        return self._later[state]

    def _keep(self, state: _State, asked: Asked, put: Reply, reply: Reply, taken: Reply) -> None:
        for each in (put, reply, taken):
            if isinstance(each, Exception):
                self._answers[state, asked] = Answer(state, Given(), f"the server says: {each}")
                return
        call, read = self._command(asked)[1]
        given = read(call.parse(reply) if isinstance(call, scripts.Call) else reply)
        after = self._number(taken)
        problem = checks.of_a_step(asked, given, self.views[state], self.views[after], self.terms)
        self._answers[state, asked] = Answer(after, given, problem)

    def _number(self, content: bytes) -> _State:
        number = self._numbers.get(content)
        if number is None:
            number = self._numbers[content] = len(self._contents)
            self._contents.append(content)
            self.views.append(Parsed(content).view())
            self._fresh.append(number)
        return number

    # --- checks of new states -----------------------------------------------------------------------

    def check_new_states(self) -> None:
        """Each is sound, as we see it and as the doctor does, and a healthy worker can finish it."""
        fresh, self._fresh = self._fresh, []
        few = _AT_ONCE // 8
        for first in range(0, len(fresh), few):
            self._check(fresh[first : first + few])

    def _check(self, states: Sequence[_State]) -> None:
        sent: list[bytes] = []
        plans = []
        for state in states:
            parsed = Parsed(self._contents[state])
            if problems := parsed.problems():
                self.problems[state] = "; ".join(problems)
            looks = checks.doctors_looks(self.tag, parsed, self.thorough)
            treatment = checks.healthy_schedule(self.tag, self.terms, self.views[state])
            sent.append(self._putting(state))
            sent += [self._packed(call) for call in (*looks, *treatment)]
            sent.append(self._taking())
            plans.append((state, looks, len(treatment)))
        replies = iter(self._exchange(sent))
        for state, looks, length in plans:
            texts = [str(error) for error in [next(replies)] if isinstance(error, Exception)]
            for look in looks:
                texts += _findings(look, next(replies))
            treated = [next(replies) for _ in range(length)]
            texts += [f"a healthy worker: {error}" for error in treated if isinstance(error, Exception)]
            texts += checks.of_the_end(Parsed(next(replies)), self.terms)
            if texts:
                self.problems.setdefault(state, "; ".join(texts))

    # --- the wire -----------------------------------------------------------------------------------

    def _command(self, asked: Asked) -> tuple[bytes, Command]:
        known = self._commands.get(asked)
        if known is None:
            built = command(self.tag, asked, self.terms)
            known = self._commands[asked] = (self._packed(built[0]), built)
        return known

    def _packed(self, call: checks.Sendable) -> bytes:
        if not isinstance(call, scripts.Call):
            return pack_command(call)
        if call.script not in self._transport._shas:
            self._load(self._transport._text_of(call.script))
        return pack_command(self._transport._command_of(call))

    def _load(self, text: str) -> bytes:
        (sha,) = self._exchange([pack_command(("SCRIPT", "LOAD", text))])
        if isinstance(sha, Exception):
            raise sha
        return sha

    def _putting(self, state: _State) -> bytes:
        return pack_command(("EVALSHA", self._put, 1, self.tag, self._contents[state], START_MS))

    def _taking(self) -> bytes:
        return pack_command(("EVALSHA", self._take, 1, self.tag))

    def _exchange(self, commands: list[bytes]) -> list[Reply]:
        replies: list[Reply] = []
        self._connection.send_packed_command((b"".join(commands),), check_health=False)
        for _ in commands:
            try:
                replies.append(self._connection.read_response())
            except redis_errors.ResponseError as error:
                replies.append(error)
        return replies


def _findings(look: scripts.Call[Any], reply: Reply) -> list[str]:
    if isinstance(reply, Exception):
        return [str(reply)]
    found = look.parse(reply)
    problems = found[1] if isinstance(found, tuple) else found
    return [f"doctor: {problem}" for problem in problems]
