# The two commands of the README are `make report` and `make test`; each sets up what it needs from the lock.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
INSTALLED := .venv/.installed
PYTEST := $(BIN)/python -m pytest
# A file of tests stays in one process, for its fixtures; more than four processes would ask for much memory. The files
# keep the order of tests/conftest.py, the longest first.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: setup slurm report test test-quick test-system lint format lock benchmarks clean

setup: $(INSTALLED)

# Without dependencies, for the lock names them all: pip, left to follow an extra (`coverage[toml]`), asks for its
# newest release and then refuses it as not pinned.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Outsample needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	if command -v uv >/dev/null; then \
	  VIRTUAL_ENV=$(CURDIR)/.venv uv pip sync --quiet --require-hashes requirements.lock; \
	  VIRTUAL_ENV=$(CURDIR)/.venv uv pip install --quiet --no-deps --no-build-isolation --editable .; \
	else \
	  $(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock; \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	fi
	touch $@

# Needed by `--profile profiles/slurm` only; apart, because it makes every start of Snakemake a second or two slower.
slurm: setup
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements-slurm.lock

report: setup
	$(BIN)/snakemake --cores $(CORES)
	@echo "The report: results/report.html"

test: setup
	rm -f .coverage .coverage.*
	$(PYTEST) -m "not system" $(PARALLEL) --cov --cov-report=term --cov-fail-under=85

test-quick: setup
	$(PYTEST) -m "not system and not slow" $(PARALLEL) -x -q

# The plugin in a folder of its own, so that the tests do not change the environment that everything else uses.
.venv/slurm-plugin: requirements-slurm.lock | setup
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade --target $@ --requirement $<
	touch $@

# Side by side, for SLURM spends most of its minutes waiting.
test-system: setup .venv/slurm-plugin
	tests/workflow/slurm.sh >.slurm.log 2>&1 & slurm=$$!; \
	$(PYTEST) -m system || { kill $$slurm; wait $$slurm; cat .slurm.log; exit 1; }; \
	wait $$slurm || { cat .slurm.log; exit 1; }; \
	cat .slurm.log

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check --compact-diff Snakefile rules
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakemake --lint

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# Needs uv and a package index; every other target installs what stands in the lock. One version of each package for all
# Pythons (fewest): another jax computes other last digits, and knows other options of the compiler.
lock:
	uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --extra dev --output-file requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-deps --output-file requirements-slurm.lock requirements-slurm.in

# The libraries that the benchmarks measure beside Outsample, in an environment of their own.
.venv-peers: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --requirement $<
	touch $@

# About an hour on a quiet machine; `$(BIN)/python benchmarks/write.py SECTION` measures one section of the page anew.
benchmarks: setup .venv-peers
	$(BIN)/python benchmarks/write.py

clean:
	rm -rf results work .snakemake .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*
