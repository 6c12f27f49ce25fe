# Two commands are for everyone: `make demo` and `make test`. The rest is for those who change the code.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
export UV_NO_PROGRESS ?= 0
export PYTHONDONTWRITEBYTECODE ?= 1

.PHONY: help venv lock demo stack test test-fast test-compose check format generate bench clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.ready  ## a virtual environment with exactly what requirements/dev.txt pins

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@echo "==> virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "etter-obs needs Python 3.11 or newer; set PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

lock: pyproject.toml  ## resolve pyproject.toml into the hashed lock again
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	    --all-extras --group dev -o requirements/dev.txt pyproject.toml
