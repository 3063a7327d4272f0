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
