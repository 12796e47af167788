# The tasks of a checkout; `make help` lists them. Each target does all the set-up that it needs.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: run test chaos lint bench lock settings clean help

# With `exec` and the parent-death signal, the command and its services end when make does.
PYTHON := exec setpriv --pdeathsig TERM .venv/bin/python

run: ## Runs the service until Ctrl-C, and starts Redis and an engine for it if there are none.
	@scripts/setup run
	@$(PYTHON) scripts/run.py

test: ## Runs the linters, then every test, with coverage; passes ARGS="-k word" to pytest.
	@scripts/setup test
	@$(PYTHON) scripts/test.py $(ARGS)

chaos: ## Runs the slow fault tests, then random faults under load for two minutes; ARGS="--seed 1" sets the seed.
	@scripts/setup test
	@.venv/bin/python -m pytest tests/chaos/long_*.py
	@$(PYTHON) -m tests.chaos $(ARGS)

lint: ## Checks style, formatting and types.
	@scripts/setup lint
	@$(PYTHON) scripts/lint.py

bench: ## Measures the service on this machine; passes ARGS to the benchmark.
	@scripts/setup bench
	@$(PYTHON) scripts/bench.py $(ARGS)

lock: ## Rewrites requirements.lock with the newest versions that setup.cfg allows.
	@scripts/lock

settings: ## Regenerates docs/settings.md from the settings declared in the code.
	@scripts/setup lint
	@mkdir -p var && .venv/bin/funcsvc settings > var/settings.md && mv var/settings.md docs/settings.md

clean: ## Removes the virtual environment, the caches, and the data of services that make started.
	@python3 scripts/clean.py

help: ## Lists the targets.
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; do printf '%-15s %s\n' "$$name" "$$what"; done
