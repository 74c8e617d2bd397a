# Two commands: `make run` searches, `make test` checks everything. Both make their own environment.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= first
BUDGET ?= 8m
ARGS ?=
# a file stays in one process: its fixtures (a laboratory, a finished campaign) are made once
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help run test quick check lint types imports format bench clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run-ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "move37 needs Python 3.11 or newer; say make PYTHON=python3.12 run"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.run-ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

run: $(VENV)/.run-ready  ## search for better layers (BUDGET=8m, RUN=first); again: go on
	@$(BIN)/move37 run --name $(RUN) --budget $(BUDGET) $(ARGS)

test: $(VENV)/.test-ready lint types imports  ## everything: lint, types, imports, the whole suite
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

quick: $(VENV)/.test-ready  ## the suite without slow tests
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow' $(ARGS)

check: test  ## the same as test

lint: $(VENV)/.test-ready  ## ruff
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.test-ready  ## pyright
	$(BIN)/pyright

imports: $(VENV)/.test-ready  ## the house's import rules
	$(BIN)/lint-imports

format: $(VENV)/.test-ready  ## rewrite files in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test-ready  ## five benchmarks (a quiet machine, half an hour); docs/benchmarks.md has the others
	for file in kernels training lab memory gpu; do $(BIN)/python bench/$$file.py || exit 1; done

clean:  ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
