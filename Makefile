# `make demo` and `make test` need only Python 3.10+ with venv; they make .venv themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := $(VENV)/.demo
PLOTS := $(VENV)/.plots
IN_PARALLEL := $(if $(TEST_REDIS_URL),,-n 2 --dist loadfile)

.PHONY: demo test test-fast test-all lint format typecheck check \
  bench bench-full bench-peers bench-check build clean

demo: $(DEMO)
	$(BIN)/python -m examples.demo

# Two at a time, each with a server of its own.
test: $(STAMP)
	$(BIN)/python -m pytest $(IN_PARALLEL)

# Without the tests that start many processes.
test-fast: $(STAMP)
	$(BIN)/python -m pytest $(IN_PARALLEL) --ignore=tests/chaos --ignore=tests/package --ignore=tests/supervisor

# The whole suite on each server that this machine has.
test-all: $(STAMP)
	TEST_REDIS_KIND=path $(BIN)/python -m pytest $(IN_PARALLEL)
	TEST_REDIS_KIND=embedded $(BIN)/python -m pytest $(IN_PARALLEL)

# test-fast on each Python that is found, in an environment of its own.
PYTHONS ?= 3.10 3.11 3.12 3.13 3.14
.PHONY: test-pythons
test-pythons:
	@for version in $(PYTHONS); do \
	  if python$$version --version 2>/dev/null; then \
	    $(MAKE) --no-print-directory test-fast PYTHON=python$$version VENV=.venv-$$version || exit 1; \
	  else echo "Python $$version isn't here: left out"; fi; \
	done

# Random records, arguments and damage: FUZZ_FACTOR (100) times as many as in the suite.
.PHONY: fuzz
fuzz: $(STAMP)
	FUZZ_FACTOR=$${FUZZ_FACTOR:-100} $(BIN)/python -m pytest -q --timeout 3600 tests/abuse/test_fuzz.py tests/queue/test_doctor_random.py

# Every interleaving of two workers and two jobs on the real scripts, within larger bounds: minutes.
.PHONY: protocol
protocol: $(STAMP)
	$(BIN)/python -m tests.protocol mutants
	$(BIN)/python -m tests.protocol

# Faults of every kind on a queue of its own, and a checker of its history: see docs/chaos.md.
CHAOS_SECONDS ?= 600
SEED ?= 1
.PHONY: chaos
chaos: $(STAMP)
	FJ_LONG_OUTAGE=1 $(BIN)/python -m pytest tests/chaos/test_outage.py
	$(BIN)/python -m tests.chaos --seconds $(CHAOS_SECONDS) --seed $(SEED)

# kill -9 of workers and their supervisors, with each executor.
.PHONY: chaos-supervisor
chaos-supervisor: $(STAMP)
	SUPERVISOR_CHAOS_SECONDS=60 $(BIN)/python -m pytest -s tests/supervisor/test_history.py

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

# A few minutes; with Docker on a container, else on a server of its own. See benchmarks/README.md.
bench: $(STAMP) $(PLOTS)
	$(BIN)/python -m benchmarks

# Up to a million jobs: half an hour.
bench-full: $(STAMP) $(PLOTS)
	$(BIN)/python -m benchmarks --full

# Other queues side by side; writes benchmarks/RESULTS.md.
bench-peers: $(STAMP)
	$(BIN)/python -m benchmarks peers --kill

# Names what got slower than benchmarks/recorded.json.
bench-check: $(STAMP)
	$(BIN)/python -m benchmarks check

build: $(STAMP)
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

# All that the demo needs, and no tools of development.
$(DEMO): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(PLOTS): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@
