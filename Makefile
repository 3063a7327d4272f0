# Verbs only; every step of .ci/run is a target here. `make` alone prints the list.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
UV := .tools/bin/uv
PY := .venv/bin/python
RUN := .venv/bin
export UV_PYTHON ?= python3
export PYTHONPATH := tests/e2e
CLUSTER ?= auto
export CLUSTER

##@ Start here
.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z][a-zA-Z_-]*:.*##/ {printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/bin/uv:
	@tools/prerequisites.sh setup
	@python3 -m venv .tools
	@.tools/bin/pip install --quiet "uv==$(UV_VERSION)"

.PHONY: setup
setup: .tools/bin/uv ## Create .venv with every program (editable) and every tool
	@tools/prerequisites.sh setup
	@$(UV) sync --quiet --all-packages

.PHONY: build
build: setup ## Build every program in release mode into .venv/bin

.PHONY: demo
demo: setup ## A cluster, the three programs, a small shop, and its lines read back
	@$(PY) tools/demo.py

.PHONY: try
try: setup ## The service and an agent as two local processes on sample files: no cluster, no root
	@$(PY) tools/try_it.py

.PHONY: images
images: setup ## Build the images and load them into the cluster
	@$(PY) tools/images.py build

.PHONY: cluster
cluster: setup ## Bring a Kubernetes cluster up (CLUSTER=auto|kind|local|existing)
	@tools/prerequisites.sh cluster
	@$(PY) -m harness up

.PHONY: down
down: setup ## Remove the cluster and all that it left on the machine
	@$(PY) -m harness down

.PHONY: control-plane
control-plane: setup ## Build the API server, etcd and helm that some tests start (cached; minutes once)
	@if command -v go >/dev/null; then $(PY) -m harness tool kube-apiserver etcd helm >/dev/null; \
	  else echo "no go on PATH: tests that need a real API server are skipped"; fi

.PHONY: clients
clients: setup ## Install the official clients that tests drive, and Chromium (cached)
	@$(PY) -m harness clients

.PHONY: manifests
manifests: setup ## The chart as plain YAML for kubectl, one file per shape, in build/manifests
	@$(PY) tools/manifests.py

.PHONY: generate
generate: setup ## Write what is generated: CRDs, the chart's schema and README, reference pages
	@$(PY) tools/generate.py

.PHONY: docs
docs: setup ## Build the documents into build/site; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --quiet --strict

##@ Measure
.PHONY: bench
bench: setup ## Measure what a write and a read cost; prints tables, saves them under build/
	@$(PY) bench/ingest.py
	@$(PY) bench/committing.py
	@$(PY) bench/beside.py
	@$(PY) bench/peers.py
	@$(PY) bench/agent.py
	@$(PY) bench/operator_scale.py
	@$(PY) bench/own_keys.py

##@ Gates
.PHONY: format
format: setup ## Rewrite every source file in the one format
	@$(RUN)/ruff format --quiet .
	@$(RUN)/ruff check --quiet --fix .
	@cargo fmt --all

.PHONY: lint
lint: setup ## Format, lint, types, sizes, clippy: everything that is judged without running
	@$(RUN)/ruff format --check .
	@$(RUN)/ruff check .
	@$(RUN)/mypy
	@mkdir -p build; $(RUN)/lint-imports --no-cache > build/imports.txt || { cat build/imports.txt; exit 1; }
	@$(PY) tools/check_sizes.py
	@$(PY) tools/generate.py --check
	@NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --quiet --strict
	@$(RUN)/yamllint --strict .
	@$(RUN)/shellcheck tools/*.sh .ci/run
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets --locked -- -D warnings

.PHONY: unit
unit: setup control-plane clients ## Python and Rust tests that need no cluster
	@$(RUN)/pytest -q -m "not cluster and not brokers"
	@cargo test --quiet --workspace --locked

.PHONY: replicas
replicas: setup ## Replicas of the service on three real Kafka brokers and a PostgreSQL, faults too
	@$(RUN)/pytest -q -m brokers tests/contract tests/kafka
	@STORAGE=kafka $(RUN)/pytest -q tests/ingest/api

.PHONY: soak
soak: setup ## The fault suites at length: hundreds of kills, 10,000 files, a cluster (two hours)
	@LOGHUB_SOAK=40 LOGHUB_SOAK_KILLS=300 $(RUN)/pytest -q --timeout=7200 tests/agent/faults tests/ingest
	@$(PY) -m harness up
	@$(PY) tools/images.py build
	@LOGHUB_SOAK=24 $(RUN)/pytest -q -m cluster --log-cli-level=INFO tests/e2e/test_faults_together.py

.PHONY: e2e
e2e: setup ## The whole on a real cluster with two nodes, which stays up
	@$(PY) -m harness up
	@$(PY) tools/images.py build
	@$(RUN)/pytest -q -m cluster tests/e2e

.PHONY: test
test: lint unit replicas e2e ## Everything CI runs

.PHONY: clean
clean: ## Remove what the build made (the caches outside the work tree stay)
	@rm -rf .venv .tools target build dist
