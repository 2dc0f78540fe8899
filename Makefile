# Rapport. `make` shows what there is. Every target does its own set-up: it needs Python 3.11 or later and nothing else.
PYTHON ?= python3
SECONDS ?=
SEED ?=
MINUTES ?=
EVENTS ?=
BROKERS ?=
COUNT ?=
RATE ?=
CONNECTOR ?=
POSTS ?=
KILLS ?=
BIN := .venv/bin

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	$(BIN)/pytest --numprocesses 5 --dist loadfile --no-loadscope-reorder

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

.PHONY: peers
peers: .venv/ready ## Compare with Faust, Kafka Streams, Bytewax and Quix Streams (needs Docker, or Java with Maven)
	$(BIN)/python -m tests.benchmarks.peers

.PHONY: ingest
ingest: .venv/ready ## Measure how fast posts become messages, beside encoding alone
	$(BIN)/python -m tests.benchmarks.ingest

.PHONY: firehose
firehose: .venv/ready ## Measure what all posts of Bluesky cost their connector (RATE=2000)
	$(BIN)/python -m tests.benchmarks.firehose $(if $(RATE),--rate $(RATE))

.PHONY: latency
latency: .venv/ready ## Measure how long a post takes to be visible in ClickHouse (RATE=1000)
	$(BIN)/python -m tests.benchmarks.latency $(if $(RATE),--rate $(RATE))

.PHONY: alerting
alerting: .venv/ready ## Measure how soon somebody is told of an alert, while 1,000,000 turns wait
	$(BIN)/python -m tests.benchmarks.alerting

.PHONY: recovery
recovery: .venv/ready ## Measure how soon a worker takes over 1,000,000 turns that wait, and its memory
	$(BIN)/python -m tests.benchmarks.recovery

.PHONY: growth
growth: .venv/ready ## Measure what an event costs beside more and more accounts, and draw it
	$(BIN)/python -m tests.benchmarks.growth --svg docs/growth.svg

.PHONY: queries
queries: .venv/ready ## Measure how long ClickHouse takes to answer (EVENTS=10000000)
	$(BIN)/python -m tests.benchmarks.queries $(if $(EVENTS),--events $(EVENTS))

.PHONY: faults
faults: .venv/ready ## Break a whole plant and judge every number (SEED=1 MINUTES=2 EVENTS=10000 BROKERS=1)
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(EVENTS),--events $(EVENTS)) $(if $(BROKERS),--brokers $(BROKERS))

.PHONY: kills
kills: .venv/ready ## Kill -9 each connector again and again while people write (CONNECTOR=mastodon POSTS=100000 KILLS=20 SEED=1)
	$(BIN)/python -m tests.connectors.kills $(if $(CONNECTOR),--connector $(CONNECTOR)) $(if $(POSTS),--posts $(POSTS)) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

.PHONY: malformed
malformed: .venv/ready ## Send malformed messages beside good ones through a worker (COUNT=1000000 of each)
	$(BIN)/python -m tests.faults.malformed $(if $(COUNT),--count $(COUNT))

.PHONY: soak
soak: .venv/ready ## Keep worker and sink at work for long (MINUTES=30 RATE=5000)
	$(BIN)/python -m tests.benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE))

.PHONY: backpressure
backpressure: .venv/ready ## Take ClickHouse away under load (MINUTES=10 RATE=10000)
	$(BIN)/python -m tests.benchmarks.soak --away $(or $(MINUTES),10) --rate $(or $(RATE),10000)

.PHONY: schemas
schemas: .venv/ready ## Write schemas/rows.py anew, after a schema has changed
	$(BIN)/python -m schemas.generate

build/compiled/ready: .venv/ready setup.py pyproject.toml $(shell find schemas sinks streams -type f ! -name '*.pyc')
	rm -rf build
	WITH_MYPYC=1 $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target build/compiled .
	@touch $@

.PHONY: compiled
compiled: build/compiled/ready ## Compile the pure modules into build/compiled (needs a C compiler)

.PHONY: test-compiled
test-compiled: compiled ## Run the tests of the pure modules on what is compiled of them
	$(BIN)/pytest -o pythonpath="build/compiled ." tests/properties tests/unit/test_schemas.py tests/unit/test_partition.py

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf .venv .kafka .peers build *.egg-info
