# What is done with a checkout. `make help` lists it; each target does all the set-up it needs itself.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: run test chaos lint bench lock settings clean help

# `exec` and the parent-death signal: whoever ends make, however, ends the command and its services too.
PYTHON := exec setpriv --pdeathsig TERM .venv/bin/python

run: ## Starts the service, with a Redis and an engine of its own where there is none, until Ctrl-C.
	@scripts/setup run
	@$(PYTHON) scripts/run.py

test: ## Runs the lint, then every test, with coverage; ARGS="-k word" goes to pytest.
	@scripts/setup test
	@$(PYTHON) scripts/test.py $(ARGS)

chaos: ## Runs the faults that take long, then random ones under load for two minutes; ARGS="--seed 1".
	@scripts/setup test
	@.venv/bin/python -m pytest tests/chaos/long_*.py
	@$(PYTHON) -m tests.chaos $(ARGS)

lint: ## Checks style, format and types.
	@scripts/setup lint
	@$(PYTHON) scripts/lint.py

bench: ## Measures the service on this machine; ARGS go to the benchmark.
	@scripts/setup bench
	@$(PYTHON) scripts/bench.py $(ARGS)

lock: ## Writes requirements.lock again, with the newest versions that setup.cfg allows.
	@scripts/lock

settings: ## Writes docs/settings.md again, from the settings that the code declares.
	@scripts/setup lint
	@mkdir -p var && .venv/bin/funcsvc settings > var/settings.md && mv var/settings.md docs/settings.md

clean: ## Removes the virtual environment, the caches and the data of the services that make started.
	@python3 scripts/clean.py

help: ## Lists the targets.
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; do printf '%-15s %s\n' "$$name" "$$what"; done
