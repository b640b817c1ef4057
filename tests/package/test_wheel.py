"""The built wheel, as its user installs it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from faciliter_jobs.scripts.compose import lua_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder with a wheel made from the sdist, and that sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return out


def _lua_files():
    return {p.relative_to(lua_folder()).as_posix() for p in lua_folder().rglob("*.lua")}


def test_the_wheel_carries_every_lua_file_and_the_type_marker(dist):
    names = set(zipfile.ZipFile(next(dist.glob("*.whl"))).namelist())
    assert {f"faciliter_jobs/lua/{name}" for name in _lua_files()} <= names
    assert {
        "faciliter_jobs/py.typed",
        "faciliter_lib/jobs/__init__.py",
        "faciliter_lib/jobs/py.typed",
        "faciliter_jobs_pytest/__init__.py",
    } <= names


def test_the_wheel_takes_no_file_of_faciliter_lib_but_its_jobs(dist):
    names = zipfile.ZipFile(next(dist.glob("*.whl"))).namelist()
    assert [name for name in names if name.startswith("faciliter_lib/") and "/jobs/" not in name] == []


def test_the_wheel_announces_its_pytest_plugin(dist):
    wheel = zipfile.ZipFile(next(dist.glob("*.whl")))
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert "[pytest11]\nfaciliter_jobs = faciliter_jobs_pytest" in wheel.read(name).decode()


def test_the_sdist_carries_every_lua_file(dist):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"lua/{name}" for name in _lua_files()} <= names
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names


_JOB = """
import sys
from faciliter_lib.jobs import JobConfig, JobWorker, create_job_queue
import faciliter_jobs
assert "site-packages" in faciliter_jobs.__file__, faciliter_jobs.__file__
queue = create_job_queue("valkey", config=JobConfig.from_url(sys.argv[1], prefix=sys.argv[2]))
job_id = queue.submit_job("double", {"n": 21})
worker = JobWorker(queue)
worker.register_function_handler("double", lambda job: {"n": job.input_data["n"] * 2})
worker.start(max_jobs=1)
print(queue.get_job_result(job_id))
"""


@pytest.mark.timeout(300)
def test_the_wheel_runs_a_job_in_a_fresh_environment(dist, queue, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    wheel = next(dist.glob("*.whl"))
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel]
    subprocess.run(install, check=True, timeout=240)
    command = [python, "-c", _JOB, queue.config.location, queue.config.prefix]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'n': 42}"
