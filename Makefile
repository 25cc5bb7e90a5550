# The only list of commands. `make run` and `make test` need Python 3.11 and make; with Node, more is tested.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
RUN    ?= runs/quick

.DEFAULT_GOAL := help
.PHONY: help run test lint docs serve bench clean

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: $(VENV)/.run ## Fetch MNIST, train `quick`, evaluate it, write the report, read a sample picture.
	@$(BIN)/python scripts/run.py $(RUN)

test: $(VENV)/.test lint ## Lint, types, layers, and all tests.
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.test ## Only what is checked without running: style, types, layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.run ## Renew the tables of figures in the documents.
	$(BIN)/python scripts/tables.py

serve: $(VENV)/.run ## The web page and the HTTP API.
	$(BIN)/inkdigits serve

bench: $(VENV)/.run ## A short version of the benchmarks, from nothing.
	rm -rf runs/bench
	$(BIN)/python benchmarks/accuracy.py quick --seeds 0 --results runs/bench/accuracy.csv --runs runs/bench
	$(BIN)/python benchmarks/speed.py quick --seeds 0 --epochs 12 --results runs/bench/speed.csv
	$(BIN)/python benchmarks/inference.py default --rounds 1 --results runs/bench/inference.csv

clean: ## Remove the environment and everything that was made but data and runs.
	rm -rf $(VENV) reports inspection build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.run: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Expected $(PYTHON). Install Python 3.11, or: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.test: requirements-test.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@
