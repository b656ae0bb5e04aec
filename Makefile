# Everything runs in .venv, which is made at the first use and again whenever the lock changes.
# Needs: make, and a Python from 3.11 on (PYTHON=/path/to/python names one).

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 3# processes that run tests: for two cores, since a test on Kafka waits for half of its time

.DEFAULT_GOAL := help
.PHONY: help setup demo test simulate lint format bench docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## .venv with the locked dependencies and this package

demo: $(READY) ## the whole pipeline in one process, with drifting traffic: a live view, or plain lines
	$(BIN)/stream-monitor demo

test: export PYTHONDONTWRITEBYTECODE =# of the hundreds of processes that tests start none need compile the package again
test: $(READY) ## every test; those on a real Kafka are skipped where none can be had
	$(BIN)/python -m pytest -n $(JOBS)

SEEDS ?= 5000
simulate: $(READY) ## the whole pipeline from so many seeds (SEEDS=1000000, or SEEDS=5000-9999), with trouble at every call of the broker
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --jobs $(JOBS)

lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## rewrite the sources as lint wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## the quick benchmarks, held to benchmarks/bounds.toml; ARGS=--all runs those on a real Kafka too
	$(BIN)/python benchmarks/check.py $(ARGS)

docs: $(READY) ## docs/metrics.md, docs/configuration.md and docs/reference, from the code
	$(BIN)/python -c "from stream_monitor.export.config_page import config_page; print(config_page(), end='')" > docs/configuration.md
	$(BIN)/python -c "from stream_monitor.export import metrics_page; print(metrics_page(), end='')" > docs/metrics.md
	$(BIN)/python -c "from stream_monitor.export.reference import events_page; print(events_page(), end='')" > docs/reference/events.md
	$(BIN)/python -c "from stream_monitor.export.reference import alerts_page; print(alerts_page(), end='')" > docs/reference/alerts.md
	$(BIN)/python -c "from stream_monitor.respond.reference import actions_page; print(actions_page(), end='')" > docs/reference/actions.md

COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock'

lock: $(READY) ## all locks from pyproject.toml; add UPGRADE=--upgrade to move to newer releases
	$(COMPILE) $(UPGRADE) --all-extras -o requirements.lock
	$(COMPILE) $(UPGRADE) --extra respond -c requirements.lock --no-annotate -o requirements-runtime.lock
	$(COMPILE) $(UPGRADE) --extra example -c requirements.lock --no-annotate -o requirements-example.lock

clean: ## remove .venv and everything made by tools
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find stream_monitor tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@fits() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	if fits $(BIN)/python && [ -x $(BIN)/pip ]; then exit 0; fi; \
	for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python); do \
	  if fits "$$candidate"; then \
	    echo "Making $(VENV) with $$candidate (once; a few minutes)"; \
	    "$$candidate" -m venv --clear $(VENV) && exit 0; \
	    rm -rf $(VENV); echo "'$$candidate -m venv' failed; on Debian and Ubuntu install python3-venv." >&2; exit 1; \
	  fi; \
	done; \
	echo "No Python from 3.11 on was found: install one, or name it with 'make PYTHON=/path/to/python $(MAKECMDGOALS)'." >&2; exit 1
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
