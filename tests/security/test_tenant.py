"""`queue.for_company`: nothing of another company's is seen or changed through it."""

from __future__ import annotations

import asyncio
import inspect
import random
from typing import Any

import pytest

from faciliter_jobs import (
    AsyncCompanyQueue,
    AsyncJobQueue,
    CompanyQueue,
    JobStatus,
    RedisJobQueue,
    scripts,
)
from faciliter_jobs.errors import InvalidArgumentError, JobNotFoundError, JobQueueError
from faciliter_jobs.scripts import Ending
from tests.support.contract import LEASE_MS
from tests.support.server import client_of

NAMES = ("c1", "c2")
# Of a company that nobody but the test's own look knows.
SECRET = "secret of c2"


def _foreign_job(queue, **fields):
    return queue.submit_job("t", {"text": SECRET}, "c2", "ann", metadata={"text": SECRET}, **fields)


CALLS = {
    "get_job": lambda q, i: q.get_job(i),
    "get_job_result": lambda q, i: q.get_job_result(i),
    "update_job_progress": lambda q, i: q.update_job_progress(i, 50, "half"),
    "complete": lambda q, i: q.complete(i, {"a": 1}),
    "complete_job": lambda q, i: q.complete_job(i, {"a": 1}),
    "fail": lambda q, i: q.fail(i, "broken", retry_delay=0),
    "fail_job": lambda q, i: q.fail_job(i, "broken"),
    "cancel": lambda q, i: q.cancel(i),
    "cancel_job": lambda q, i: q.cancel_job(i),
    "retry": lambda q, i: q.retry(i),
    "retry_job": lambda q, i: q.retry_job(i),
    **{
        f"update_job_status {status.value}": lambda q, i, s=status: q.update_job_status(i, s)
        for status in JobStatus
    },
}

STATES = {
    "pending": lambda q, i: None,
    "processing": lambda q, i: q.get_pending_job(),
    "completed": lambda q, i: q.complete(i, {"text": SECRET}),
    "failed": lambda q, i: q.fail(i, SECRET),
    "cancelled": lambda q, i: q.cancel(i, SECRET),
}


@pytest.fixture
def dump(queue):
    client = client_of(queue.config)

    def all_of() -> dict[bytes, bytes]:
        return {key: client.dump(key) for key in client.scan_iter(match=queue.tag + "*")}

    yield all_of
    client.close()


class AsyncHandle:
    """An AsyncCompanyQueue, called as if it were the other."""

    def __init__(self, queue, company_id):
        self._runner = asyncio.new_event_loop()
        self._queue = AsyncJobQueue(queue.config)
        self._handle = self._queue.for_company(company_id)

    def __getattr__(self, name):
        method = getattr(self._handle, name)
        if not inspect.iscoroutinefunction(method):
            return method
        return lambda *args, **named: self._runner.run_until_complete(method(*args, **named))

    def end(self):
        self._runner.run_until_complete(self._queue.close())
        self._runner.close()


@pytest.fixture(params=["sync", "async"])
def handle(request, queue):
    """handle("c1")"""
    made = []

    def make(company_id):
        if request.param == "sync":
            return queue.for_company(company_id)
        made.append(AsyncHandle(queue, company_id))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.mark.parametrize("state", STATES)
def test_a_foreign_id_is_answered_exactly_as_an_unknown_one_and_nothing_changes(queue, handle, dump, state):
    job_id = _foreign_job(queue)
    STATES[state](queue, job_id)
    before = dump()
    c1 = handle("c1")
    for name, call in CALLS.items():
        assert call(c1, job_id) == call(c1, "no-such-job"), name
        assert dump() == before, name


@pytest.mark.parametrize("state", STATES)
def test_waiting_for_a_foreign_job_goes_as_for_an_unknown_one(queue, handle, state):
    job_id = _foreign_job(queue)
    STATES[state](queue, job_id)
    c1 = handle("c1")
    said = []
    for asked in (job_id, "no-such-job"):
        for wait in (c1.wait_for_result, c1.wait_for_job):
            with pytest.raises(JobNotFoundError) as raised:
                wait(asked, timeout=30)
            said.append(str(raised.value).replace(asked, "ID"))
    assert len(set(said)) == 1


@pytest.mark.parametrize("state", STATES)
def test_a_job_of_its_own_is_answered_as_by_the_whole_queue(queue, handle, state):
    for name, call in CALLS.items():
        answers = []
        for asked in (handle("c2"), queue):
            job_id = _foreign_job(queue)
            STATES[state](queue, job_id)
            answer = call(asked, job_id)
            if name == "get_job":
                answer = (answer.status, answer.input_data, answer.result, answer.error, answer.metadata)
            answers.append(answer)
            queue.cancel(job_id)  # nothing waits for the next claim
        assert answers[0] == answers[1], name


def test_listings_have_its_own_jobs_only_also_of_a_user_that_works_for_both(queue, handle):
    foreign = [_foreign_job(queue) for _ in range(3)]
    c1, c2 = (handle(name) for name in NAMES)
    own = [c1.submit_job("t", user_id="ann"), c1.submit_job("t")]
    assert [job.job_id for job in c1.list_jobs()] == own[::-1]
    assert [job.job_id for job in c1.list_jobs(user_id="ann")] == own[:1]
    assert [job.job_id for job in c2.list_jobs(company_id="c2", user_id="ann")] == foreign[::-1]
    assert c1.list_jobs(JobStatus.COMPLETED) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda q: q.submit_job("t", company_id="c2"),
        lambda q: q.submit_jobs([{"job_type": "t"}, {"job_type": "t", "company_id": "c2"}]),
        lambda q: q.list_jobs(company_id="c2"),
    ],
)
def test_naming_another_company_is_refused(handle, dump, call):
    before = dump()
    with pytest.raises(InvalidArgumentError, match="company_id: this handle is another company's"):
        call(handle("c1"))
    assert dump() == before


@pytest.mark.parametrize("as_many", [False, True])
def test_an_id_that_another_company_uses_is_free_for_this_one(queue, handle, as_many):
    """Nor can it be taken beforehand, so that the other's submit would come to nothing."""
    c1, c2 = (handle(name) for name in NAMES)
    _foreign_job(queue, job_id="order-7")
    ids = []
    for each in (c2, c1):
        input_data = {"of": each.company_id}
        if as_many:
            ids += each.submit_jobs([{"job_type": "t", "job_id": "order-7", "input_data": input_data}])
        else:
            ids.append(each.submit_job("t", input_data, job_id="order-7"))
    assert len({*ids, "order-7"}) == 3
    assert [c2.get_job(ids[0]).input_data, c1.get_job(ids[1]).input_data] == [{"of": "c2"}, {"of": "c1"}]
    assert queue.get_job("order-7").input_data == {"text": SECRET}
    assert c1.own_id("order-7") == ids[1]
    assert c1.get_job(c2.own_id("order-7")) is None
    # A second submit of the id changes nothing, also under the id that the first one gave.
    for again in ("order-7", ids[1]):
        assert c1.submit_job("other", {"of": "nobody"}, job_id=again) == ids[1]
    assert c1.get_job(ids[1]).input_data == {"of": "c1"}


def test_the_length_of_an_own_id_is_limited(queue):
    with pytest.raises(InvalidArgumentError, match=r"job_id: 5.. bytes, the limit is 512"):
        queue.for_company("c1").submit_job("t", job_id="x" * 510)


@pytest.mark.parametrize("company", ["", None, 7, "x" * 600])
def test_a_handle_is_for_one_company(queue, company):
    with pytest.raises(JobQueueError, match="company_id"):
        queue.for_company(company)


@pytest.mark.parametrize("kinds", [(RedisJobQueue, CompanyQueue), (AsyncJobQueue, AsyncCompanyQueue)])
def test_it_has_the_calls_of_the_queue_that_concern_single_jobs_with_the_same_arguments(kinds):
    def calls(of: type) -> dict[str, Any]:
        return {
            name: value for name, value in vars(of).items() if inspect.isfunction(value) and name[0] != "_"
        }

    whole, handle = calls(kinds[0]), calls(kinds[1])
    not_a_company_s = {
        "connect", "close", "health_check", "stats", "doctor", "cleanup_old_jobs", "get_pending_job",
        "for_company",
    }  # fmt: skip
    assert set(whole) - set(handle) == not_a_company_s & set(whole)
    assert set(handle) - set(whole) == {"own_id"}
    for name in set(handle) & set(whole):
        assert inspect.signature(handle[name]) == inspect.signature(whole[name]), name


@pytest.mark.parametrize("seed", range(3))
def test_random_calls_of_two_companies_never_see_or_change_the_other_s(queue, handle, seed):
    """A model of what each may see: a call through one handle changes none of the other's jobs, and its
    answer is that of a queue without them."""
    rng = random.Random(seed)
    handles = {name: handle(name) for name in NAMES}
    ids = {name: [] for name in NAMES}
    client = client_of(queue.config)

    def records(company):
        keys = [f"{queue.tag}job:{job_id}" for job_id in ids[company]]
        return [client.hgetall(key) for key in keys]

    def claim():
        call = scripts.claim(queue.tag, worker="w", lease_ms=LEASE_MS, want=1, types=[])
        queue.transport.run(call)

    for step in range(120):
        me = rng.choice(NAMES)
        other = NAMES[1 - NAMES.index(me)]
        before = records(other)
        note = f"seed {seed}, step {step}, {me}"
        action = rng.choice(["submit", "submit", "call", "call", "call", "list", "claim"])
        if action == "submit":
            own = rng.choice([None, f"id-{rng.randrange(5)}", *ids[other][:3]])
            job_id = handles[me].submit_job("t", {"of": me}, user_id=rng.choice([None, "u"]), job_id=own)
            assert job_id not in ids[other], note
            if job_id not in ids[me]:
                ids[me].append(job_id)
        elif action == "call":
            job_id = rng.choice([*ids[me], *ids[other], "unknown"])
            name = rng.choice(list(CALLS))
            answer = CALLS[name](handles[me], job_id)
            if job_id not in ids[me]:
                assert answer in (None, False, Ending.MISSING), (note, name)
            elif name == "get_job":
                assert answer.company_id == me and answer.input_data == {"of": me}, note
        elif action == "list":
            found = handles[me].list_jobs(user_id=rng.choice([None, "u"]), limit=1000)
            assert {job.job_id for job in found} <= set(ids[me]), note
        else:
            claim()
            continue
        assert records(other) == before, (note, action)
    assert queue.doctor() == []
    client.close()
