"""The doctor on a queue at work: no false alarm, and a repair that disturbs nobody."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

from faciliter_jobs import doctor, scripts
from faciliter_jobs.scripts import Command
from tests.support.server import client_of
from tests.support.wait import until

JOBS = 600


def _at_work(queue, run_worker):
    """Three workers and a producer; returns the ids to come and how often each was run."""
    ids: list[str] = []
    runs: Counter[str] = Counter()

    def handle(job):
        runs[job.job_id] += 1
        time.sleep(0.002)
        return {}

    for _ in range(3):
        run_worker({"t": handle})

    def produce():
        for n in range(JOBS // 20):
            jobs = [{"job_type": "t", "company_id": f"c{n % 5}", "user_id": f"u{n % 3}"} for _ in range(20)]
            ids.extend(queue.submit_jobs(jobs))
            time.sleep(0.02)

    producer = threading.Thread(target=produce)
    producer.start()
    return ids, runs, producer


def test_a_queue_at_work_has_no_finding_and_a_repair_mends_nothing(queue, run_worker):
    ids, runs, producer = _at_work(queue, run_worker)
    found, looks = [], 0
    while producer.is_alive() or sum(runs.values()) < JOBS:
        found += queue.doctor(repair=looks % 2 == 1)
        looks += 1
    producer.join()
    assert found == [] and looks > 3
    assert runs == dict.fromkeys(ids, 1)


def test_damage_is_mended_while_workers_run_and_each_job_ends_once(queue, run_worker):
    """Ids are taken out of lanes, rings, types, leases, lists and indexes at random."""
    random.seed(7)
    client = client_of(queue.config)
    ids, runs, producer = _at_work(queue, run_worker)
    mended = 0
    deadline = time.monotonic() + 60
    while producer.is_alive() or any(not job.status.is_terminal for job in map(queue.get_job, list(ids))):
        assert time.monotonic() < deadline
        for key in client.scan_iter(match=queue.tag + "*", count=1000):
            name = key[len(queue.tag) :]
            if name.startswith((b"lane", b"ring", b"index", b"leases")) and random.random() < 0.3:
                members = client.zrange(key, 0, 3)
                if members:
                    client.zrem(key, *members)
            elif name == b"types" and random.random() < 0.3:
                client.delete(key)
        mended += len(queue.doctor(repair=True))
    producer.join()
    assert mended > 10
    until(lambda: queue.doctor(repair=True) == [])
    assert {queue.get_job(job_id).status.value for job_id in ids} == {"completed"}
    assert set(runs) == set(ids)


def test_it_looks_in_bounded_steps(queue):
    """LESSONS 32: no step names more jobs than a page, however many there are."""
    queue.submit_jobs([{"job_type": "t"}] * 1000)
    steps = doctor.examine(queue.tag)
    sizes = []
    reply = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as done:
            assert done.value == []
            break
        sizes.append(len(step.args))
        run = queue.transport.fetch if isinstance(step, Command) else queue.transport.run
        reply = run(step)
    assert max(sizes) <= 210 and len(sizes) > 10


def test_what_has_gone_since_it_was_found_is_no_finding(queue):
    """SSCAN gave a type whose last job was claimed meanwhile; a worker left before its mend."""
    ask = queue.transport.run
    for family in ("types", "homes"):
        assert ask(scripts.check_entries(queue.tag, family=family, entries=[b"gone"])) == []
    for family in ("types", "homes", "workers", "parked", "index", "leases", "scheduled", "expiry"):
        name = family.encode()
        assert ask(scripts.repair_members(queue.tag, family=family, name=name, members=[b"gone"])) == []
    for family in ("inbox", "processing", "lane", "ring"):
        name = f"{family}:0:1:t:".encode()
        assert ask(scripts.repair_members(queue.tag, family=family, name=name, members=[b"gone"])) == []
