# Everything a person or CI runs. `make help` lists the targets; each of them installs what it needs first.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := /bin/sh

# Any Python of version 3.11 or later: make install PYTHON=python3.13
PYTHON ?= $(shell .ci/find-python)
JOBS ?= 2
ARGS ?=

BIN := .venv/bin
STAMPS := build/stamps
FORGE := node contracts/tools/forge.mjs

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 — \2/p' Makefile

.PHONY: install
install: $(STAMPS)/python contracts/node_modules/.package-lock.json $(STAMPS)/broker ## Install all tools into this directory (and mosquitto, as root)

.PHONY: demo
demo: install ## Run the whole path once: chain, broker, hub, gateways, devices (ARGS="--seconds 60 --json")
	@$(BIN)/perunika demo $(ARGS)

.PHONY: test
test: install ## Run every test: contracts (Foundry), then everything else (pytest)
	@status=0; \
	$(FORGE) test || status=1; \
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS) tests || status=1; \
	exit $$status

.PHONY: check check-lint check-layout check-types check-board check-files check-contracts
check: check-lint check-layout check-types check-board check-files check-contracts ## Run every linter and gate (all of them: make -k check)

check-lint: install
	$(BIN)/ruff check .

check-layout: install
	$(BIN)/ruff format --check .

check-types: install
	$(BIN)/mypy

check-board: install
	$(BIN)/python .ci/check_board_code.py

check-files: install
	$(BIN)/python .ci/check_committed_files.py

check-contracts: install
	$(FORGE) fmt --check
	node contracts/tools/build.mjs --check

.PHONY: format
format: install ## Put Python and Solidity into the common layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(FORGE) fmt

.PHONY: bench
bench: install ## Measure, print and write build/bench.json
	@$(BIN)/python tests/bench/run.py $(ARGS)

.PHONY: clean
clean: ## Remove what was built and installed here
	rm -rf build .venv contracts/node_modules contracts/out contracts/cache *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find protocol device gateway hub tools tests examples -name __pycache__ -prune -exec rm -rf {} +

# --- installed once, again when a list of versions changes or what it describes was removed

.venv/pyvenv.cfg:
	@.ci/run-logged "create .venv" $(PYTHON) -m venv .venv

$(STAMPS)/python: pyproject.toml .venv/pyvenv.cfg
	@.ci/run-logged "install Python packages" $(BIN)/python -m pip install --disable-pip-version-check --no-input \
		--editable ".[gateway,hub,sim,test,lint]"
	@mkdir -p $(@D) && touch $@

# The file that npm itself writes when it is done; gone when node_modules is gone.
contracts/node_modules/.package-lock.json: contracts/package.json contracts/package-lock.json
	@.ci/install-node-tools
	@touch $@

$(STAMPS)/broker:
	@.ci/install-broker
	@mkdir -p $(@D) && touch $@
