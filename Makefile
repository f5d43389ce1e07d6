# make demo: install, make a small multi-TE dataset, run the participant level, say where the report lies.
# make test: install, then lint, types, import contracts and every test.
PYTHON ?= python3
VENV ?= .venv
# Passed on to every pip call, e.g. PIP_ARGS="--find-links /path/to/wheels" for a torch build of your own.
PIP_ARGS ?=
# Processes that run the tests, one thread each: their arrays are small, and a second thread gives them little.
TEST_PROCESSES ?= 2
DEMO := demo

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) --constraint constraints.txt
DECLARED := pyproject.toml constraints.txt fetalt2prep/__init__.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-cluster test-container lint format docs bench clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "fetalt2prep needs Python 3.11 or newer; point at one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3-venv; \
	  else \
	    echo "Python's venv module is missing; install it first: sudo apt-get install python3-venv" >&2; exit 1; \
	  fi; }
	$(PYTHON) -m venv $(VENV)

# torch first and pinned: asked for by another package, pip would take the newest build instead.
$(VENV)/.torch: constraints.txt | $(BIN)/python
	$(PIP) torch
	@touch $@

$(VENV)/.app: $(DECLARED) $(VENV)/.torch
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(DECLARED) $(VENV)/.torch
	$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.app

$(VENV)/.docs: $(DECLARED) $(VENV)/.torch
	$(PIP) --editable '.[docs]'
	@touch $@ $(VENV)/.app

demo: $(VENV)/.app  ## simulate a small dataset, run the app on it, say where the report lies
	@rm -rf $(DEMO)
	$(BIN)/fetalt2 simulate $(DEMO)/bids
	$(BIN)/fetalt2prep $(DEMO)/bids $(DEMO)/derivatives participant \
	  -d masks=$(DEMO)/bids/derivatives/masks -w $(DEMO)/work --device cpu
	@ls $(CURDIR)/$(DEMO)/derivatives/sub-*.html >/dev/null && echo && echo "Report: $$(ls $(CURDIR)/$(DEMO)/derivatives/sub-*.html)"

test: lint  ## lint, types, import contracts, every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

test-cluster: $(VENV)/.test  ## the app on a SLURM of one node that is started for it (root, Debian)
	tests/cluster/run.sh $(abspath $(BIN)/python)

test-container:  ## build the Dockerfile without Docker and run the app in the image (root, Debian); BUILD_ARGS, APP_ARGS
	tests/container/run.sh

lint: $(VENV)/.test  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test  ## rewrite the sources in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs  ## build the documentation; a warning is an error
	$(BIN)/sphinx-build --quiet --no-color --fail-on-warning --keep-going --builder html docs docs/_build

bench: $(VENV)/.app  ## measure again every number that the documentation quotes
	$(BIN)/python -m benchmarks

clean:  ## remove what was made, the environment too
	rm -rf $(VENV) $(DEMO) docs/_build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
