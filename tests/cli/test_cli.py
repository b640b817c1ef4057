"""The commands, each in its plain use."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faciliter_jobs import JobStatus, keys, scripts
from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]
_COMMAND = [sys.executable, "-m", "faciliter_jobs.cli"]


# --- jobs -----------------------------------------------------------------------------------------


def test_submit_prints_the_id_alone_and_the_job_has_what_was_given(cli, queue):
    said = cli("submit", "resize", "--data", '{"width": 640}', "--company", "acme", "--user", "ann")
    assert (said.code, said.err) == (0, "")
    job = queue.get_job(said.out.strip())
    assert (job.job_type, job.input_data, job.company_id, job.user_id) == (
        "resize",
        {"width": 640},
        "acme",
        "ann",
    )


def test_submit_reads_its_data_from_a_file_or_from_stdin(cli, queue, tmp_path, monkeypatch):
    (tmp_path / "data.json").write_text('{"from": "file"}')
    assert queue.get_job(cli("submit", "t", "--data", f"@{tmp_path}/data.json").out.strip()).input_data == {
        "from": "file"
    }
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"from": "stdin"}'))
    assert queue.get_job(cli("submit", "t", "--data", "-").out.strip()).input_data == {"from": "stdin"}


def test_submit_with_a_delay_makes_a_job_that_is_due_later(cli, queue):
    assert queue.get_job(cli("submit", "t", "--delay", "60", "--ttl", "120").out.strip()).due_at is not None


@pytest.mark.parametrize(
    ("data", "complaint"),
    [("[1]", "a JSON object, got a list"), ("{", "--data"), ("@/no/such/file", "No such file")],
)
def test_data_that_is_no_json_object_is_refused_in_one_line(cli, data, complaint):
    said = cli("submit", "t", "--data", data)
    assert said.code == 2 and said.out == ""
    assert complaint in said.err and said.err.count("\n") == 1


def test_an_argument_that_the_queue_refuses_is_named_in_one_line(cli):
    said = cli("submit", "t", "--delay", "-1")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: delay") and said.err.count("\n") == 1


def test_show_tells_all_of_a_job(cli, queue):
    job_id = queue.submit_job("resize", {"width": 640}, company_id="acme", metadata={"source": "web"})
    queue.update_job_progress(job_id, 40, "step 2 of 5")
    out = cli("show", job_id).out
    for part in (
        job_id,
        "resize",
        "pending",
        "acme",
        '{"width": 640}',
        '"source": "web"',
        "40",
        "step 2 of 5",
    ):
        assert part in out
    assert json.loads(cli("show", job_id, "--json").out) == queue.get_job(job_id).to_dict()


def test_show_tells_when_a_job_is_due_until_it_has_ended(cli, queue):
    job_id = queue.submit_job("t", delay=60)
    assert "due_at" in cli("show", job_id).out
    queue.cancel_job(job_id)
    assert queue.get_job(job_id).due_at is not None
    assert "due_at" not in cli("show", job_id).out


@pytest.mark.parametrize("command", ["show", "result", "cancel", "retry"])
def test_a_job_that_is_not_there_gives_exit_code_1(cli, command):
    said = cli(command, "nobody")
    assert (said.code, said.out, said.err) == (1, "", "nobody: there is no such job\n")


@pytest.mark.parametrize("job_id", ["-abc", "--json-"])
def test_an_id_that_begins_with_a_hyphen_is_an_id(cli, queue, job_id):
    queue.submit_job("t", job_id=job_id)
    assert cli("show", job_id).code == 0
    assert cli("cancel", job_id).out == f"{job_id} is cancelled\n"


def test_result_prints_a_completed_jobs_result_and_nothing_else(cli, queue):
    job_id = queue.submit_job("t")
    said = cli("result", job_id)
    assert said.code == 1 and said.out == "" and "pending" in said.err
    queue.complete_job(job_id, {"rows": 3, "raw": b"\x00\xff"})
    assert json.loads(cli("result", job_id).out) == {"rows": 3, "raw": "AP8="}


def test_list_applies_its_filters_and_gives_the_newest_first(cli, queue):
    first = queue.submit_job("t", company_id="acme", user_id="ann")
    second = queue.submit_job("t", company_id="acme", user_id="bob")
    third = queue.submit_job("t", company_id="zeta", user_id="ann")
    queue.fail_job(third, "broken")

    def ids(*filters: str) -> list[str]:
        return [job["job_id"] for job in json.loads(cli("list", "--json", *filters).out)]

    assert ids("--company", "acme") == [second, first]
    assert ids("--user", "ann", "--status", "failed") == [third]
    assert set(ids("--limit", "2")) < {first, second, third}


def test_list_gives_whole_ids_in_tab_separated_lines_to_another_program(cli, queue):
    job_id = queue.submit_job("a type", company_id="acme", job_id="an-id-that-is-" + "long-" * 20)
    header, line = cli("list").out.splitlines()
    row = dict(zip(header.split("\t"), line.split("\t")))
    assert (row["id"], row["status"], row["type"], row["user"]) == (job_id, "pending", "a type", "-")


def test_what_is_stored_can_not_steer_the_terminal(cli, queue):
    job_id = queue.submit_job("t", {"a": "\x1b[2J"}, company_id="\x1b[31mred[bold]\n")
    queue.update_job_progress(job_id, 1, "\x1b]0;title\x07")
    for out in (cli("list").out, cli("show", job_id).out):
        assert "\x1b" not in out and "\x07" not in out
        assert "red[bold]" in out


def test_cancel_and_retry_say_what_became_of_the_job_or_why_nothing_did(cli, queue):
    job_id = queue.submit_job("t")
    assert cli("retry", job_id).code == 1
    assert cli("cancel", job_id).out == f"{job_id} is cancelled\n"
    refused = cli("cancel", job_id)
    assert (refused.code, refused.err) == (1, f"{job_id}: it is finished\n")
    assert cli("retry", job_id).out == f"{job_id} is pending\n"
    assert queue.get_job(job_id).status is JobStatus.PENDING
    queue.complete_job(job_id)
    assert cli("retry", job_id).err == f"{job_id}: it is completed\n"


# --- the queue ------------------------------------------------------------------------------------


def test_stats_counts_and_names_the_types_that_nobody_serves(cli, queue, run_worker):
    queue.submit_job("unserved")
    worker = run_worker({"served": lambda job: None})
    until(lambda: queue.stats().workers)
    out = cli("stats").out
    assert "1 pending" in out and "no live worker serves unserved" in out and worker.name in out
    told = json.loads(cli("stats", "--json").out)
    assert told["counts"]["pending"] == 1 and told["unserved"] == ["unserved"]


def test_stats_says_of_many_workers_too_which_types_none_of_them_serves(cli, queue):
    """No more than 100 workers were looked at, and the type of the 120th was called unserved."""
    for n in range(120):
        info = json.dumps({"types": ["rare" if n == 119 else "common"]})
        worker = {"worker": f"w{n}", "lease_ms": 30_000, "alive_ms": 60_000 + n, "max_retries": 3}
        queue.transport.run(scripts.heartbeat(queue.tag, **worker, info=info, held=[]))
    queue.submit_job("rare")
    assert "no live worker serves" not in cli("stats").out
    told = json.loads(cli("stats", "--json").out)
    assert (told["unserved"], told["alive"], len(told["workers"])) == ([], 120, 120)
    queue.submit_job("nobody's")
    assert "no live worker serves nobody's" in cli("stats").out


def test_doctor_finds_nothing_in_a_sound_queue_and_gives_exit_code_1_for_a_broken_one(cli, queue):
    job_id = queue.submit_job("t")
    assert cli("doctor").code == 0
    queue.transport.command("DEL", keys.job(queue.tag, job_id))
    said = cli("doctor")
    assert said.code == 1 and job_id in said.out


def test_doctor_counts_one_finding_as_one_and_names_what_has_no_name(cli, queue):
    queue.transport.command("ZADD", f"{queue.tag}ring:0:dmg", 1, "")
    said = cli("doctor")
    assert said.out == "no company: in ring:0:dmg without a lane\n"
    assert said.err == "1 finding\n"
    assert [found["subject"] for found in json.loads(cli("doctor", "--json").out)] == [""]


def test_doctor_repair_says_what_it_mended_and_ends_well(cli, queue):
    lost, kept = queue.submit_job("t"), queue.submit_job("t")
    queue.transport.command("DEL", keys.job(queue.tag, lost))
    queue.transport.command("ZREM", f"{queue.tag}lane:0:1:t:", kept)
    said = cli("doctor", "--repair")
    assert said.code == 0
    assert (
        f"{kept}: PENDING but in 0 lists of a worker, 0 lanes, 0 scheduled -> waits in its lane" in said.out
    )
    assert f"{lost}: in index without a record -> dropped there" in said.out
    assert said.out.splitlines()[-1].endswith(" mended")
    assert cli("doctor", "--repair").out == "no findings\n"


def test_doctor_as_json_gives_each_finding_its_kind_subject_text_and_mend(cli, queue):
    job_id = queue.submit_job("t")
    queue.transport.command("DEL", f"{queue.tag}types")
    found = {
        "kind": "ring", "subject": job_id, "text": "its type is missing from the types", "mended": "",
    }  # fmt: skip
    said = cli("doctor", "--json")
    assert (said.code, json.loads(said.out)) == (1, [found])
    said = cli("doctor", "--repair", "--json")
    assert (said.code, json.loads(said.out)) == (0, [{**found, "mended": "added"}])
    assert json.loads(cli("doctor", "--json").out) == []


def test_cleanup_says_how_many_jobs_it_deleted(cli, queue):
    done, waiting = queue.submit_job("t"), queue.submit_job("t")
    queue.complete_job(done)
    assert cli("cleanup").out == "deleted 0 jobs\n"
    assert cli("cleanup", "--older-than", "0").out == "deleted 1 job\n"
    assert queue.get_job(done) is None and queue.get_job(waiting) is not None


# --- worker ---------------------------------------------------------------------------------------

_MODULE = """
from faciliter_jobs import JobApp, JobHandler, JobWorker, get_job_queue

class DoubleHandler(JobHandler):
    def handle(self, job):
        return {"n": job.input_data["n"] * 2}

def worker():
    made = JobWorker(poll_interval=0.1)
    made.register_handler(DoubleHandler())
    return made

an_instance = DoubleHandler()
jobs = JobApp()

@jobs.task
def double(n: int) -> dict:
    return {"n": n * 2}

a_number = 7

def needs_arguments(job):
    return None
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module in the current directory."""
    name = f"app_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(_MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


@pytest.mark.parametrize("target", ["DoubleHandler", "an_instance", "worker", "jobs"])
def test_worker_runs_the_jobs_of_a_handler_a_worker_or_an_application_from_the_current_directory(
    cli, queue, module, target
):
    job_id = queue.submit_job("double", {"n": 21})
    assert cli("worker", f"{module}:{target}", "--max-jobs", "1").code == 0
    assert queue.get_job_result(job_id) == {"n": 42}


@pytest.mark.parametrize("target", ["DoubleHandler", "jobs"])
def test_the_workers_options_are_those_of_job_worker(cli, queue, module, target):
    options = [
        "--name",
        "w1",
        "--lease",
        "2",
        "--max-retries",
        "0",
        "--retry-delay",
        "1",
        "--poll-interval",
        "0.5",
    ]
    job_id = queue.submit_job("double", {"n": 1})
    bad = queue.submit_job("double", {})
    assert cli("worker", f"{module}:{target}", "--max-jobs", "2", *options).code == 0
    assert queue.get_job(job_id).worker == "w1"
    assert (queue.get_job(bad).status, queue.get_job(bad).attempt) == (JobStatus.FAILED, 1)


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("no_colon", "expected MODULE:OBJECT"),
        ("no.such.module:worker", "there is no module no"),
        ("{module}:missing", "has no missing"),
        ("{module}:a_number", "got int"),
        ("{module}:needs_arguments", "without arguments"),
        ("{module}:double", "got Task"),
        ("{module}:JobHandler", "abstract"),
    ],
)
def test_an_object_that_is_no_worker_is_refused_in_one_line(cli, module, target, complaint):
    said = cli("worker", target.format(module=module))
    assert said.code == 2 and complaint in said.err and said.err.count("\n") == 1


def test_options_for_a_worker_that_has_its_own_are_refused(cli, module):
    said = cli("worker", f"{module}:worker", "--lease", "5")
    assert said.code == 2 and "--lease" in said.err


# --- which queue ----------------------------------------------------------------------------------


def test_an_unreachable_server_is_one_clear_line_without_the_password(run):
    said = run("--url", "redis://ann:sekret@localhost:1/0", "stats")
    assert (said.code, said.out) == (2, "")
    assert "can't reach redis://localhost:1/0" in said.err and said.err.count("\n") == 1
    assert "sekret" not in said.err


def test_a_configured_server_that_is_away_is_never_replaced(run, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("REDIS_PORT", "1")
    assert run("list").code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(("--url", "http://x", "stats"), "error: url:"), (("--prefix", "a{b", "stats"), "error: prefix:")],
)
def test_a_malformed_setting_is_named_in_one_line(run, arguments, complaint):
    said = run(*arguments)
    assert said.code == 2 and said.err.startswith(complaint) and said.err.count("\n") == 1


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(package):
    code = f"""
import sys
sys.modules[{package!r}] = None
from faciliter_jobs.cli.__main__ import main
main(["stats"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {package} is missing: pip install 'faciliter-jobs[cli]'\n"


# --- the embedded server --------------------------------------------------------------------------


def test_the_server_command_keeps_an_embedded_server_up_until_ctrl_c(run, tmp_path):
    command = [*_COMMAND, "server", "--directory", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as server:
        lines = [server.stdout.readline().strip() for _ in range(3)]
        url = lines[2].removeprefix("export JOB_QUEUE_URL=")
        assert url == f"embedded://{tmp_path / 'data'}"
        at = lines[0].removeprefix("server at ")
        job_id = run("--url", at, "submit", "t").out.strip()
        assert job_id in run("--url", at, "list").out
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=20) == 0
    assert run("--url", at, "list").code == 2


def test_commands_on_an_embedded_queue_find_each_others_jobs(bare_environment, tmp_path):
    def call(*arguments: str) -> str:
        command = [*_COMMAND, "--url", f"embedded://{tmp_path}", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    job_id = call("submit", "t").strip()
    assert job_id in call("list")
