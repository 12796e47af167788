# The tasks of a checkout; `make help` lists them. Each target does all the set-up that it needs.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: run test coverage chaos lint bench lock settings clean help

# A Ctrl-C that comes while Python itself starts is held until the command heeds it.
HELD := env --block-signal=INT
# With `exec` and the parent-death signal, the command and its services end when make does.
PYTHON := exec $(HELD) setpriv --pdeathsig TERM .venv/bin/python

run: ## Runs the service until Ctrl-C, with a Redis of its own, and an engine if none is there.
	@dev/setup run
	@$(PYTHON) -m dev.run

test: ## Runs the linters and every test; passes ARGS="-k word" to pytest.
	@dev/setup test
	@$(PYTHON) -m dev.test $(ARGS)

coverage: ## Runs what `make test` does, and reports the lines and branches that no test reached.
	@dev/setup test
	@$(PYTHON) -m dev.test --coverage $(ARGS)

chaos: ## Runs the slow fault tests, then random faults under load for two minutes; ARGS="--seed 1" sets the seed.
	@dev/setup test
	@.venv/bin/python -m pytest tests/chaos/long_*.py
	@$(PYTHON) -m tests.chaos $(ARGS)

lint: ## Checks style, formatting and types.
	@dev/setup lint
	@$(PYTHON) -m dev.lint

bench: ## Measures the service on this machine; passes ARGS to the benchmark.
	@dev/setup bench
	@$(PYTHON) -m dev.bench $(ARGS)

lock: ## Rewrites both locks with the newest versions that setup.cfg allows.
	@dev/lock

settings: ## Regenerates docs/settings.md from the settings declared in the code.
	@dev/setup lint
	@mkdir -p var && .venv/bin/funcsvc settings > var/settings.md && mv var/settings.md docs/settings.md

clean: ## Removes the virtual environment, the caches, and the data of services that make started.
	@$(HELD) python3 -m dev.clean

help: ## Lists the targets.
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name what; do printf '%-15s %s\n' "$$name" "$$what"; done
