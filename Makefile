# What is done with a checkout. `make help` lists it; each target does all the set-up it needs itself.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: run test chaos lint bench lock settings clean help

# `exec` and the parent-death signal: whoever ends make, however, ends the command and its services too.
PYTHON := exec setpriv --pdeathsig TERM .venv/bin/python

run: ## Starts the service, with a Redis and an engine of its own where there is none, until Ctrl-C.
	@dev/setup run
	@$(PYTHON) -m dev.run

test: ## Runs the lint, then every test, with coverage; ARGS="-k word" goes to pytest.
	@dev/setup test
	@$(PYTHON) -m dev.test $(ARGS)

chaos: ## Runs the faults that take long, then random ones under load for two minutes; ARGS="--seed 1".
	@dev/setup test
	@.venv/bin/python -m pytest tests/chaos/long_*.py
	@$(PYTHON) -m tests.chaos $(ARGS)

lint: ## Checks style, format and types.
	@dev/setup lint
	@$(PYTHON) -m dev.lint

bench: ## Measures the service on this machine; ARGS go to the benchmark.
	@dev/setup bench
	@$(PYTHON) -m dev.bench $(ARGS)

lock: ## Writes requirements.lock again, with the newest versions that setup.cfg allows.
	@dev/lock

settings: ## Writes docs/settings.md again, from the settings that the code declares.
	@dev/setup lint
	@mkdir -p var && .venv/bin/funcsvc settings > var/settings.md && mv var/settings.md docs/settings.md

clean: ## Removes the virtual environment, the caches and the data of the services that make started.
	@python3 -m dev.clean

help: ## Lists the targets.
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; do printf '%-15s %s\n' "$$name" "$$what"; done
