# Two commands are for everyone: `make demo` and `make test`. The rest is for those who change the code.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Not --quiet: it would hide the warnings that --strict counts.
BUILD_SITE := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
UV_VERSION := 0.13.9
# Tests that need further builds or many minutes; each has a target of its own.
HERE := not kubernetes and not scale and not drill
export UV_NO_PROGRESS ?= 0
export PYTHONDONTWRITEBYTECODE ?= 1

.PHONY: help venv lock demo stack test test-busy test-waiting test-fast test-compose test-kubernetes test-drills test-scale mutation bench impact loadtest check format generate frontend pictures docs clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.ready  ## a virtual environment with exactly what requirements/dev.txt pins

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@echo "==> virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "etter-obs needs Python 3.11 or newer; set PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

lock: pyproject.toml  ## resolve pyproject.toml into the hashed lock again
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	    --all-extras --group dev -o requirements/dev.txt pyproject.toml

demo: export MAKE_STARTED := $(shell date +%s)
demo: venv  ## the whole product at work: load, a fault, its page, its resolution (ONCE=1 ends by itself)
	@$(BIN)/python -m demo $(if $(ONCE),--once)

stack: venv  ## build the native stack once, into a cache outside this folder
	@$(BIN)/python -m stack build

test: venv stack check  ## every test, on real servers
	@$(BIN)/python -m stack check
	@$(BIN)/python -m frontend check
	@$(BIN)/python -m frontend chromium
	@echo "==> tests, two at once, and beside them those that wait for rules and alerts: about twenty minutes"
	@$(MAKE) --no-print-directory --jobs=2 test-busy test-waiting
	@echo "==> tests that compare times, one after the other"
	@$(BIN)/pytest -m alone

# The two halves of `make test` that run at the same time.
test-busy:
	@$(BIN)/pytest --numprocesses 2 --max-worker-restart 0 --dist loadgroup -m "not alone and not waits and $(HERE)"

test-waiting:
	@mkdir -p .run
	@$(BIN)/pytest -m waits >.run/waiting-tests.log 2>&1; code=$$?; cat .run/waiting-tests.log; exit $$code

test-fast: venv  ## the tests that start no server of the stack and end within seconds
	@$(BIN)/pytest -m "not e2e and not slow and $(HERE)"

test-compose: venv stack  ## docker-compose.yml on a real Docker engine
	@$(BIN)/python -m stack test-compose

test-kubernetes: venv stack  ## the manifests on a real API server with the Prometheus Operator (builds both first)
	@$(BIN)/python -m stack build etcd prometheus-operator kubernetes
	@$(BIN)/pytest -m kubernetes tests/kubernetes

test-drills: venv stack  ## kill each component of the stack under load, fill its disk, cut its network
	@$(BIN)/pytest -m drill --numprocesses 4 tests/drills

test-scale: venv stack  ## the rules on Thanos and VictoriaMetrics, and a replica killed during a fault (builds both first)
	@$(BIN)/python -m stack build victoriametrics thanos
	@$(BIN)/pytest -m scale tests/scale

mutation: venv stack  ## try the generated rule tests on wrong rules, for nine minutes; lists what lives
	@$(BIN)/python -m tests.slo.mutation

bench: venv  ## what a request, a log line, a scrape and the rules cost, beside the peers (needs a quiet machine)
	@$(BIN)/python -m benchmarks.overhead
	@$(BIN)/python -m benchmarks.logging
	@$(BIN)/python -m benchmarks.scrape
	@$(BIN)/python -m benchmarks.growth
	@$(BIN)/python -m benchmarks.memory

impact: venv  ## each claim of the optimisation guide, measured on the example backend: writes docs/impact.md
	@$(BIN)/python -m impact

loadtest: venv  ## 1,000 users on the example backend, judged by slo gate: writes docs/load-test.md
	@$(BIN)/python -m impact.loadtest

check: venv  ## format, lint, spelling, types, generated files, documentation: run it before every commit
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/codespell *.md mkdocs.yml .github docs etter_obs frontend/README.md frontend/src
	@$(BIN)/mypy
	@found=$$($(BIN)/lint-imports --no-cache 2>&1) || { echo "$$found"; exit 1; }
	@$(BIN)/python -m tests.names
	@$(BIN)/etter-obs generate --check
	@$(BIN)/python -m docs.tables --check
	@$(BIN)/python -m impact --check
	@$(BIN)/python -m frontend fresh
	@$(BUILD_SITE)

format: venv  ## fix format and lint with ruff
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

generate: venv  ## write rules, alerts, dashboards, runbooks and the tables of the documentation again
	@$(BIN)/etter-obs generate
	@$(BIN)/python -m docs.tables

frontend: venv  ## build the pages of the console and of `etter-obs view` into the package again
	@$(BIN)/python -m frontend build

pictures: venv  ## the pictures of the documentation, by `etter-obs view`, while `make demo` runs
	@$(BIN)/python -m docs.pictures

docs: venv  ## the documentation site, into site/; a broken link fails
	@$(BUILD_SITE)
	@echo "open site/index.html, or with its search: python3 -m http.server --directory site"

clean:  ## remove the virtual environment and run-time files (not the cache of builds)
	rm -rf $(VENV) .run dist site
