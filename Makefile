# One command per wish. `make` alone lists them.
#
# Everything is installed into .venv in this folder; it is installed again only when pyproject.toml or
# constraints.txt change. PYTHON=/path/to/python3.12 chooses the Python that the environment is made with.

.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
ON_ALL_CORES := -n logical --dist worksteal
INPUTS := pyproject.toml constraints.txt .ci/venv
export PYTHON

.PHONY: help demo up test quick lint format types venv dev engines constraints clean distclean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
	  while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done

demo: $(INSTALLED) ## start a cluster, play through all nine steps with 200 bots, report, stop
	@$(BIN)/mesh demo

up: $(INSTALLED) ## start the cluster of topology/local.toml; Ctrl-C stops it
	@$(BIN)/mesh up

test: $(INSTALLED_DEV) engines lint types ## everything that a change has to pass
	@echo "pytest: on all cores what starts no process, then the rest"
	@$(BIN)/python -m pytest -m "not cluster" $(ON_ALL_CORES)
	@$(BIN)/python -m pytest -m cluster

quick: $(INSTALLED_DEV) ## the tests without those that start processes
	@$(BIN)/python -m pytest -m "not cluster" $(ON_ALL_CORES)

lint: $(INSTALLED_DEV) ## ruff: mistakes and layout
	@echo "ruff check" && $(BIN)/ruff check .
	@echo "ruff format --check" && $(BIN)/ruff format --check .

format: $(INSTALLED_DEV) ## ruff: repair what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: $(INSTALLED_DEV) ## mypy
	@echo "mypy" && $(BIN)/mypy

engines: ## install what the tests of `mesh export` run besides (Debian, as root)
	@.ci/engines

venv: $(INSTALLED) ## make .venv and install the project
dev: $(INSTALLED_DEV) ## the same with the tools that a contributor needs

$(INSTALLED): $(INPUTS)
	@.ci/venv "" $(INSTALLED)

$(INSTALLED_DEV): $(INPUTS)
	@.ci/venv "[dev]" $(INSTALLED_DEV)
	@touch $(INSTALLED)

constraints: $(INSTALLED_DEV) ## write the versions that are installed now to constraints.txt
	@sed -n '/^#/p' constraints.txt > constraints.new
	@( $(BIN)/python -m pip freeze --exclude-editable | grep -v -e ' @ ' -e '^-e'; \
	  grep -e '^locust==' -e '^gevent==' constraints.txt ) | LC_ALL=C sort -fu -t= -k1,1 >> constraints.new
	@mv constraints.new constraints.txt

clean: ## remove caches; data in var/ stays
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

distclean: clean ## clean, and remove .venv and all data in var/
	@rm -rf .venv var *.egg-info
