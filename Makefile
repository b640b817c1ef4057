# `make demo` and `make test` need only Python 3.10+ with venv; they make .venv themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-fast test-all lint format typecheck check bench build clean

demo: $(STAMP)
	$(BIN)/python -m examples.demo

test: $(STAMP)
	$(BIN)/python -m pytest

# Without the tests that start many processes.
test-fast: $(STAMP)
	$(BIN)/python -m pytest --ignore=tests/chaos --ignore=tests/package

# The whole suite on each server that this machine has.
test-all: $(STAMP)
	TEST_REDIS_KIND=path $(BIN)/python -m pytest
	TEST_REDIS_KIND=embedded $(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if command -v luacheck >/dev/null; then luacheck -q lua; else echo 'luacheck is not installed: Lua left unchecked'; fi

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(STAMP)
	$(BIN)/mypy

check: lint typecheck test

bench: $(STAMP)
	$(BIN)/python -m benchmarks

build: $(STAMP)
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@
