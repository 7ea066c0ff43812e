# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
SHELL := /bin/bash
PYTHON := .venv/bin/python
BIN := .venv/bin
# The test cluster's name; several can exist side by side.
CLUSTER ?= test
# The end-to-end tests use three.
CLUSTERS = $(CLUSTER) $(CLUSTER)-2 $(CLUSTER)-3
# Options for pytest, for example: make test-e2e ARGS='-k builder -x'
ARGS ?=
IN_CLUSTER = $(PYTHON) -m tests.cluster exec --name $(CLUSTER) --
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-down test lint test-unit test-contract test-e2e bench soak cluster cluster-down format crds lock clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: .venv/.locked ## Install the Python packages of requirements-dev.txt into .venv

.venv/.locked: requirements-dev.txt tools/setup.sh
	tools/setup.sh

demo: setup ## Start a cluster with a hub and the operator, and watch Koji tasks run in pods
	$(PYTHON) -m tests.demo up

demo-down: setup ## Remove every trace of the demo
	$(PYTHON) -m tests.demo down

test: setup ## Everything: lint, unit, contract, e2e
	$(MAKE) --jobs=2 --output-sync=target lint test-unit
ifdef ARGS
	$(MAKE) test-contract test-e2e; \
	code=$$?; for name in $(CLUSTERS); do $(PYTHON) -m tests.cluster down --name $$name; done; exit $$code
else
	$(PYTHON) -m tests.shards --contract $(CLUSTER); \
	code=$$?; for name in $(CLUSTERS); do $(PYTHON) -m tests.cluster down --name $$name; done; exit $$code
endif

lint: setup ## Style, types, roles, documentation, generated files
	tools/lint.sh

test-unit: setup ## Tests without a cluster
	$(BIN)/pytest --numprocesses=auto --dist=loadfile tests/unit tests/bench tests/soak $(ARGS)

test-contract: cluster ## The hub's semantics, against devhub or the hub at KOJI_HUB_URL
	$(IN_CLUSTER) $(BIN)/pytest tests/contract $(ARGS)

test-e2e: setup ## The operator on three test clusters at a time, or on that of KUBECONFIG; with ARGS on one
ifdef ARGS
	$(MAKE) cluster
	$(IN_CLUSTER) $(BIN)/pytest tests/e2e $(ARGS)
else
	$(PYTHON) -m tests.shards $(CLUSTER)
endif

bench: setup ## Measure, print a table and write build/bench.json
	$(PYTHON) -m tests.bench $(ARGS)

soak: setup ## Hundreds of tasks while faults arrive at random, for ten minutes; writes build/soak.json (ARGS='--seed 1')
	$(PYTHON) -m tests.soak $(ARGS)

cluster: setup ## Start the test cluster and give it its images
	$(PYTHON) -m tests.cluster up --name $(CLUSTER)
	$(PYTHON) -m tests.cluster images --name $(CLUSTER)

cluster-down: setup ## Remove every trace of the test clusters
	for name in $(CLUSTERS); do $(PYTHON) -m tests.cluster down --name $$name || exit; done

format: setup ## Put the Python code into shape
	$(BIN)/ruff format plugins runner tests tools roles bin/kubectl-koji
	$(BIN)/ruff check --fix plugins runner tests tools roles bin/kubectl-koji

crds: setup ## Make the CRDs and their reference anew from config/crd/src
	$(PYTHON) -m tools.crds
	$(PYTHON) -m tools.reference

lock: setup ## Lock the Python packages anew
	tools/lock.sh

clean: ## Remove what was built in the checkout; the cache outside stays
	rm -rf .venv .typing .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible build/cache build/logs build/*.json
