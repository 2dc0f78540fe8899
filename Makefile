# Rapport. `make` shows what there is. Every target does its own set-up: it needs Python 3.11 or later and nothing else.
PYTHON ?= python3
SECONDS ?=
COUNT ?=
BIN := .venv/bin

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Rapport needs Python 3.11 or later: set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $@

.PHONY: setup
setup: .venv/ready ## Install everything into .venv

.PHONY: demo
demo: .venv/ready ## Show Rapport at work on a simulated public (SECONDS=20 ends it)
	$(BIN)/rapport demo $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: test
test: .venv/ready lint ## Check everything: linters, types, layers and all tests
	$(BIN)/pytest --numprocesses 4 --dist loadgroup --no-loadscope-reorder

.PHONY: fast
fast: .venv/ready ## Run the tests that need neither Kafka nor ClickHouse
	$(BIN)/pytest tests/unit tests/properties

.PHONY: lint
lint: .venv/ready ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: bench
bench: .venv/ready ## Measure fold, worker and sink beside their ceiling
	$(BIN)/python -m tests.benchmarks

.PHONY: malformed
malformed: .venv/ready ## Send malformed messages beside good ones through a worker (COUNT=1000000 of each)
	$(BIN)/python -m tests.faults.malformed $(if $(COUNT),--count $(COUNT))

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf .venv .kafka build *.egg-info
