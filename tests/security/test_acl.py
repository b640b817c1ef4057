"""The ACL rules of each role, on servers with real users: enough for its part, nothing beyond, no
command too many."""

from __future__ import annotations

import asyncio
import re
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from faciliter_jobs import JobConfig, JobWorker, RedisJobQueue, acl, embedded, keys, scripts
from faciliter_jobs.aio import AsyncJobQueue
from faciliter_jobs.errors import AccessDeniedError, InvalidArgumentError
from faciliter_jobs.scripts import Outcome
from faciliter_jobs.scripts.compose import lua_folder, script_names
from tests.support.contract import STATES, Stage
from tests.support.server import ServerProcess, client_of
from tests.support.wait import until

PASSWORD = "pw"
T = ("t",)


def _binaries():
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    found = [Path(on_path)] if on_path else []
    bundled = embedded.find_bundled_binary()
    return [*found, *([bundled] if bundled else [])]


@pytest.fixture(scope="module", params=_binaries(), ids=lambda path: path.name)
def each_server(request):
    process = ServerProcess(request.param)
    yield process
    process.stop()


@pytest.fixture(scope="module")
def one_server():
    process = ServerProcess()
    yield process
    process.stop()


class _Admin(Stage):
    client = None  # one for all that it does


class Site:
    """A queue of its own on a server: `admin` may do all, `user` what its rules say."""

    def __init__(self, server):
        self.config = replace(server.config, prefix=f"acl-{uuid.uuid4().hex[:8]}:", retry_on_timeout=False)
        self.client = client_of(self.config)
        self.admin = _Admin(RedisJobQueue(self.config), None)
        self.admin.client = self.client
        self.admin.check = False
        self.tag = self.admin.tag
        self._opened = []

    def allow(self, rules):
        self.client.execute_command("ACL", "SETUSER", "u", "reset", f">{PASSWORD}", *rules)
        queue = RedisJobQueue(replace(self.config, username="u", password=PASSWORD))
        self._opened.append(queue)
        self.user = Stage(queue, None)
        self.user.check = False
        return self.user

    def end(self):
        for queue in (*self._opened, self.admin.queue):
            queue.close()
        self.client.close()


def _site_of(server):
    site = Site(server)
    yield site
    site.end()


@pytest.fixture
def site(each_server):
    yield from _site_of(each_server)


@pytest.fixture
def one_site(one_server):
    yield from _site_of(one_server)


# --- each role's whole part -----------------------------------------------------------------------


def _hears(site, channel):
    listener = site.client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(channel)
    until(lambda: site.client.pubsub_numsub(channel)[0][1] == 1)
    return listener


def produce(site):
    user, admin = site.user, site.admin
    queue = user.queue
    queue.connect()
    assert site.client.hget(keys.meta(site.tag), "schema") == b"5"
    assert queue.health_check()
    alone = queue.submit_job("t")
    full = queue.submit_job("t", {"x": "y" * 100}, "c", "ann", "s", {"m": 1}, 60, delay=100, max_retries=1)
    many = queue.submit_jobs([{"job_type": "t", "company_id": "c", "user_id": "ann"} for _ in range(3)])
    assert queue.get_job(alone).status.value == "pending"
    assert queue.for_company("c").get_job(full).input_data == {"x": "y" * 100}
    for job_id in (full, *many):
        assert queue.cancel_job(job_id)
    # One that runs: its worker is told.
    (held,) = admin.claim(types=T)
    with _hears(site, keys.tell(site.tag, "w1")) as told:
        assert queue.cancel_job(held.job_id)
        assert until(lambda: told.get_message(timeout=0.1), timeout=1)
    # One is handed to a worker that waits; entries of those that have gone are dropped.
    admin.park("w2", types=T)
    handed = queue.submit_job("t")
    assert site.client.lrange(keys.inbox(site.tag, "w2"), 0, -1) == [handed.encode()]
    assert queue.cancel_job(handed)
    admin.park("w3", types=("other",))
    site.client.zadd(site.tag + "parked:t", {"gone": -1})
    assert queue.cancel_job(queue.submit_job("t"))

    _wait(site, queue.config)


def _wait(site, config):
    """For the ends of two jobs, in one event loop."""
    first, second = site.admin.submit_many(2)

    async def main():
        async with AsyncJobQueue(config) as shared:
            waits = [asyncio.ensure_future(shared.wait_for_job(job_id, 10)) for job_id in (first, second)]
            try:
                for wait, job_id in zip(waits, (first, second)):
                    while (
                        not wait.done() and not site.client.pubsub_numsub(keys.done(site.tag, job_id))[0][1]
                    ):
                        await asyncio.sleep(0.005)
                    site.admin.complete(job_id)
                    assert (await wait).status.value == "completed"
                    await asyncio.sleep(0.05)  # the first channel is left
            finally:
                await asyncio.gather(*waits, return_exceptions=True)  # what is denied, both are

    asyncio.run(main())


def work(site):
    user, admin = site.user, site.admin
    user.queue.connect()
    assert site.client.hget(keys.meta(site.tag), "schema") == b"5"
    assert user.queue.health_check()
    one, two, three = admin.submit_many(3)
    admin.run(scripts.watch(site.tag, keep_ms=60_000, company="", job_ids=[two]))
    first, second = user.claim(2)
    assert user.heartbeat(held=((one, first.token),)) == []
    user.progress(one, 10, first.token, "m")
    # Not the first that it holds: that one goes back to the list's head. Who waits for it hears of it.
    with _hears(site, keys.done(site.tag, two)) as ended:
        assert user.turn([Outcome(two, second.token, "completed", b"\xc0")]).endings[0].accepted
        assert until(lambda: ended.get_message(timeout=0.1), timeout=1)
    assert user.turn([Outcome(one, first.token, "failed", "e", max_retries=3)], want=2).jobs
    user.fail(one, error="e", delay_ms=10, max_retries=3)
    user.complete(one)
    user.complete(three)
    assert user.queue.get_job(one).status.value == "completed"
    # Idle: parked, handed a job, woken.
    assert user.park(types=T, tend_limit=10).jobs == []
    connection = user.queue.transport.new_connection()
    four = admin.submit()
    inbox, processing = keys.inbox(site.tag, "w1"), keys.processing(site.tag, "w1")
    connection.send_command("BLMOVE", inbox, processing, "LEFT", "RIGHT", 1)
    try:
        assert connection.read_response() == four.encode()
        connection.disconnect()
        connection.protocol = connection._parser.protocol = 2  # as the worker's listener does
        connection.send_command("SUBSCRIBE", keys.tell(site.tag, "w1"))
        connection.read_response()
    except redis.RedisError as error:
        raise AccessDeniedError(str(error)) from error
    finally:
        connection.disconnect()
    assert user.shown()[1] == four.encode()
    (adopted,) = user.adopt()
    # Given back to one that waits, and to the lane.
    admin.park("w2", types=T)
    user.run(scripts.release(site.tag, worker="w1", held=[(four, adopted.token)]))
    assert site.client.llen(keys.inbox(site.tag, "w2")) == 1
    assert user.leave("w2") == [four]
    assert user.claim(types=())[0].job_id == four
    site.client.zadd(site.tag + "parked:t", {"gone": -1})
    admin.park("w3", types=("other",))
    assert user.leave() == [four]
    assert user.claim()[0].job_id == four
    # Handed over and not picked up by BLMOVE.
    assert user.complete(four).accepted
    assert user.park(types=T).jobs == []
    five = admin.submit()
    assert user.adopt()[0].job_id == five
    assert user.run(scripts.lose(site.tag, worker="w1", why="killed"))[-1] == five
    admin.cancel(five)
    _meet_damage(site, user)
    _tend_everything(site, user)


def _meet_damage(site, user):
    """Records that can't be used: a key of another type, and one that has lost its fields."""
    replaced, robbed = site.admin.submit_many(2)
    site.client.delete(keys.job(site.tag, replaced))
    site.client.set(keys.job(site.tag, replaced), "x")
    site.client.hdel(keys.job(site.tag, robbed), "seq", "ttl")
    assert user.claim(2) == []
    for job_id in (replaced, robbed):
        assert site.admin.job(job_id).status.value == "failed"
    site.admin.queue.doctor(repair=True)


def _tend_everything(site, user):
    """Due, lost and old jobs: of a worker that is gone, with a lease and without."""
    admin, client = site.admin, site.client
    old = admin.submit(ttl_ms=1, user="bob", company="b", job_type="old")
    lost, unleased = admin.submit_many(2, max_retries=5)
    assert {job.job_id for job in admin.claim(2, "dead")} == {lost, unleased}
    client.zrem(site.tag + "leases", unleased)
    client.zadd(site.tag + "leases", {lost: 1})
    client.zadd(site.tag + "workers", {"dead": 1})
    admin.submit(delay_ms=1)
    user.run(scripts.tend(site.tag, limit=100))
    until(lambda: (user.run(scripts.tend(site.tag, limit=100)), admin.queue.get_job(old) is None)[1])
    assert client.zcard(site.tag + "scheduled") == 0
    assert client.llen(keys.processing(site.tag, "dead")) == 0
    assert admin.queue.doctor() == []


def read(site):
    admin, queue = site.admin, site.user.queue
    admin.queue.connect()
    ids = {}
    for state in ("scheduled", "completed", "failed", "cancelled", "processing", "pending in a lane"):
        ids[state] = admin.submit(delay_ms=60_000 if state == "scheduled" else None)
    admin.complete(ids["completed"])
    admin.fail(ids["failed"])
    admin.cancel(ids["cancelled"])
    admin.claim(1)
    admin.park("w9", types=("other",))
    admin.heartbeat()
    admin.submit(job_type="other")
    queue.connect()
    assert queue.health_check()
    assert queue.get_job(ids["failed"]).error == "broken"
    assert queue.for_company("acme").get_job(ids["failed"]).error == "broken"
    assert len(queue.list_jobs()) == 7
    assert len(queue.list_jobs(company_id="acme", user_id="ann")) == 7
    assert len(queue.list_jobs(company_id="acme")) == 7
    assert queue.stats().workers[0].name == "w1"
    assert queue.doctor() == []


def operate(site):
    admin, queue = site.admin, site.user.queue
    read(site)
    failed = admin.submit()
    admin.fail(failed)
    assert queue.retry_job(failed)
    assert queue.cleanup_old_jobs(0) >= 1
    assert site.user.promote()[0] == 0 and site.user.recover() == 0


PARTS = {"producer": produce, "worker": work, "reader": read, "operator": operate}


@pytest.mark.parametrize("role", PARTS)
def test_a_role_s_rules_are_enough_for_its_whole_part(site, role):
    site.allow(acl.rules([role], site.config))
    PARTS[role](site)


@pytest.mark.parametrize("part", [produce, work, read])
def test_an_operator_may_do_what_the_others_may(site, part):
    site.allow(acl.rules(["operator"], site.config))
    part(site)


def _cases():
    for role in ("producer", "worker", "reader"):
        yield from ((role, command) for command in sorted(acl.commands(role)))
    others = acl.commands("producer") | acl.commands("worker") | acl.commands("reader")
    assert acl.commands("operator") == others, "the operator's part has commands of its own: test them"


@pytest.mark.parametrize(("role", "command"), list(_cases()))
def test_a_role_has_no_command_that_it_can_do_without(one_site, role, command):
    kept = [rule for rule in acl.rules([role], one_site.config) if rule != f"+{command}"]
    one_site.client.script_flush()
    # Redis 6.2 takes the three of them for the category.
    one_site.allow([*kept, f"-{command.partition('|')[0]}"])
    with pytest.raises((AccessDeniedError, AssertionError)):
        PARTS[role](one_site)


def test_a_worker_runs_with_the_rules_of_a_worker_and_submits_with_those_of_a_producer_too(site):
    user = site.allow(acl.rules(["worker", "producer"], site.config)).queue
    worker = JobWorker(user, poll_interval=0.1, retry_delay=0.01, max_retries=1)
    seen = []

    def first(job):
        user.update_job_progress(job.job_id, 5, "on")
        seen.append(user.submit_job("second"))
        raise ValueError("once more")

    worker.register_function_handler("first", first)
    worker.register_function_handler("second", lambda job: {"n": 1})
    site.admin.queue.submit_job("first")
    worker.start(max_jobs=4)
    assert [user.get_job(job_id).result for job_id in seen] == [{"n": 1}, {"n": 1}]
    assert site.admin.queue.doctor() == []


# --- nothing beyond -------------------------------------------------------------------------------

FOREIGN = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "maxmemory", "1"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "x"),
    ("SHUTDOWN",),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("SCRIPT", "FLUSH"),
    ("EVAL", "return 1", "0"),
    ("MONITOR",),
    ("GET", "foreign"),
    ("HGETALL", "{other:}job:1"),
    ("HSET", "{other:}job:1", "status", "failed"),
    ("BLMOVE", "{other:}inbox:w", "{other:}processing:w", "LEFT", "RIGHT", "0.01"),
    ("PUBLISH", "{other:}tell:w", "x"),
    ("SUBSCRIBE", "{other:}tell:w"),
    ("RENAME", "{other:}a", "{other:}b"),
    ("MIGRATE", "h", "1", "k", "0", "1"),
    ("REPLICAOF", "h", "1"),
    ("MODULE", "LIST"),
    ("SAVE",),
]


@pytest.mark.parametrize("role", acl.ROLES)
def test_other_commands_and_other_keys_are_refused(site, role):
    site.allow(acl.rules([role], site.config))
    client = redis.Redis(unix_socket_path=site.config.unix_socket, username="u", password=PASSWORD)
    for command in FOREIGN:
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
    other = RedisJobQueue(replace(site.config, prefix="other:", username="u", password=PASSWORD))
    for call in (lambda: other.get_job("x"), other.stats, lambda: other.submit_job("t"), other.connect):
        with pytest.raises(AccessDeniedError):
            call()
    client.close()
    other.close()


@pytest.mark.parametrize(
    ("role", "call"),
    [
        ("producer", lambda q: q.get_pending_job()),
        ("producer", lambda q: q.get_pending_job(["t"])),
        ("producer", lambda q: q.list_jobs()),
        ("producer", lambda q: q.doctor()),
        ("producer", lambda q: q.retry_job("failed")),
        ("reader", lambda q: q.submit_job("t")),
        ("reader", lambda q: q.submit_jobs([{"job_type": "t"}])),
        ("reader", lambda q: q.cancel_job("waiting")),
        ("reader", lambda q: q.complete_job("waiting")),
        ("reader", lambda q: q.retry_job("failed")),
        ("reader", lambda q: q.update_job_progress("waiting", 5)),
        ("reader", lambda q: q.get_pending_job()),
        ("reader", lambda q: q.cleanup_old_jobs(0)),
        ("worker", lambda q: q.submit_job("t")),
        ("worker", lambda q: q.submit_jobs([{"job_type": "t"}])),
        ("worker", lambda q: q.list_jobs()),
    ],
)
def test_what_is_another_role_s_is_refused_by_name_and_changes_nothing(site, role, call):
    admin = site.admin
    admin.queue.connect()
    admin.submit(job_id="failed")
    admin.fail("failed")
    admin.submit(job_id="waiting")
    user = site.allow(acl.rules([role], site.config)).queue
    before = admin.snapshot()
    with pytest.raises(
        AccessDeniedError, match=r"the user 'u' may not do that .*faciliter-jobs acl"
    ) as raised:
        call(user)
    assert isinstance(raised.value, PermissionError)
    assert PASSWORD not in str(raised.value).split() and f">{PASSWORD}" not in str(raised.value)
    assert admin.snapshot() == before


@pytest.mark.parametrize("state", STATES)
def test_a_script_that_a_role_may_not_finish_is_refused_before_it_changes_anything(one_site, state):
    """Refused in the middle, it leaves what it has written: so it must be refused before."""
    site = one_site
    calls = {
        "retry": lambda u, i: u.retry(i),
        "fail": lambda u, i: u.fail(i, delay_ms=0, max_retries=3),
        "fail, delayed": lambda u, i: u.fail(i, delay_ms=9, max_retries=3),
        "complete": lambda u, i: u.complete(i),
        "cancel": lambda u, i: u.cancel(i),
        "progress": lambda u, i: u.progress(i, 5),
        "claim": lambda u, i: u.claim(2),
        "park": lambda u, i: u.park("w7", types=T, tend_limit=10),
        "adopt": lambda u, i: u.adopt(),
        "leave": lambda u, i: u.leave(),
        "release": lambda u, i: u.run(scripts.release(u.tag, worker="w1", held=[(i, "1.1")])),
        "heartbeat": lambda u, i: u.heartbeat(held=((i, "1.1"),)),
        "turn": lambda u, i: u.turn([Outcome(i, "1.1", "failed", "e", max_retries=3)]),
        "lose": lambda u, i: u.run(scripts.lose(u.tag, worker="w1", why="killed")),
        "submit": lambda u, i: u.submit(),
        "tend": lambda u, i: u.run(scripts.tend(u.tag, limit=9)),
        "cleanup": lambda u, i: u.cleanup(finished_before_ms=0),
    }
    for role in ("producer", "reader", "worker"):
        user = site.allow(acl.rules([role], site.config))
        for name, call in calls.items():
            site.client.flushdb()
            job_id = site.admin.job_in(state)
            before = site.admin.snapshot()
            try:
                call(user, job_id)
            except AccessDeniedError:
                assert site.admin.snapshot() == before, (role, name)


# --- where the lists come from --------------------------------------------------------------------


def test_every_script_is_somebody_s():
    assert {name for role in acl.ROLES.values() for name in role.scripts} == set(script_names())


def test_commands_are_found_in_every_way_in_which_scripts_call_them():
    ways = set()
    for file in lua_folder().rglob("*.lua"):
        for line in file.read_text("utf-8").splitlines():
            code = line.partition("--")[0]
            for call in re.findall(r"redis\.p?call\b[^,)]*", code):
                if not re.fullmatch(r"redis\.p?call\('[A-Z]+'", call):
                    ways.add((file.name, call))
    assert ways == {
        ("batch.lua", "redis.call(command"),
        ("checkup.lua", "redis.pcall(..."),
        ("checkup.lua", "redis.call(..."),
    }, "acl.py reads only literal names, batch's send and checkup's ask"
    checkup = (lua_folder() / "lib" / "checkup.lua").read_text("utf-8")
    asked = set(re.findall(r"\bask\((\S+?)[,)]", checkup))
    assert asked == {"...", "'ZSCORE'", "'LPOS'", "'SISMEMBER'", "'HGET'"}
    batch = (lua_folder() / "lib" / "batch.lua").read_text("utf-8")
    assert re.findall(r"\bsend\((\S+), ", batch) == ["command", "'ZREM'", "'ZADD'", "'RPUSH'"]


def test_the_commands_that_the_package_sends_itself_are_in_the_table():
    package = lua_folder().parent / "faciliter_jobs"
    sent = set()
    for file in package.rglob("*.py"):
        if file.name == "embedded.py" or file.parent.name == "testing":
            continue  # they own their servers
        pattern = r"(?:(?:Command|send_command|transport\.command)\(\(?\s*|subscriptions\(.*)\"([A-Z]+)\""
        sent |= {name.lower() for name in re.findall(pattern, file.read_text("utf-8"))}
    assert sent == {name for role in acl.ROLES.values() for name in role.plain}


def test_what_the_worker_package_calls_is_the_worker_s():
    package = lua_folder().parent / "faciliter_jobs"
    texts = "\n".join(file.read_text("utf-8") for file in (package / "worker").rglob("*.py"))
    called = set(re.findall(r"\bscripts\.([a-z_]+)\(", texts)) & set(script_names())
    assert called - set(acl.ROLES["worker"].scripts) == set()


# --- what is printed ------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["jobs:", "a*b?c[d]e^f\\g", "täg:"])
def test_the_pattern_covers_the_queue_s_own_keys_and_no_other(each_server, prefix):
    config = replace(each_server.config, prefix=prefix)
    client = client_of(config)
    client.execute_command("ACL", "SETUSER", "u", "reset", f">{PASSWORD}", *acl.rules(["reader"], config))
    user = RedisJobQueue(replace(config, username="u", password=PASSWORD))
    assert user.get_job("x") is None
    other = RedisJobQueue(replace(config, prefix="aXbYcde^fg" + prefix, username="u", password=PASSWORD))
    with pytest.raises(AccessDeniedError):
        other.get_job("x")
    user.close()
    other.close()


@pytest.mark.parametrize("prefix", ["two words:", "a\tb"])
def test_a_prefix_that_no_pattern_can_hold_is_refused(prefix):
    with pytest.raises(InvalidArgumentError, match=r"prefix: .*white space"):
        acl.rules(["reader"], JobConfig(prefix=prefix))


def test_the_command_is_printed_as_the_server_takes_it(each_server):
    line = acl.setuser("someone", ["producer", "reader"], JobConfig(db=3))
    assert line.startswith("ACL SETUSER someone on resetkeys ~{jobs:}* resetchannels &{jobs:}* -@all +")
    assert "+select" in line and "allkeys" not in line and "+@" not in line
    client = client_of(each_server.config)
    client.execute_command("ACL", "SETUSER", "someone", "reset", f">{PASSWORD}")
    client.execute_command(*line.split(" "))
    assert client.execute_command("ACL", "GETUSER", "someone")  # its password still opens it:
    own = redis.Redis(unix_socket_path=each_server.config.unix_socket, username="someone", password=PASSWORD)
    assert own.hgetall("{jobs:}job:none") == {}
    own.close()


@pytest.mark.parametrize(
    "call", [lambda: acl.commands("boss"), lambda: acl.setuser("two words", ["reader"], JobConfig())]
)
def test_an_unknown_role_and_a_name_that_can_not_be_are_refused(call):
    with pytest.raises(InvalidArgumentError, match=r"role: 'boss' is none of producer|user: 'two words'"):
        call()
