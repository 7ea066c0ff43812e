#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# Every check that needs no cluster; all of them run, and the failed ones are named at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
failed=()
check() {
  local name=$1
  shift
  echo "lint: $name"
  "$@" || failed+=("$name")
}

check "ruff check" ruff check -q plugins runner tests tools roles bin/koji-operator-metrics bin/kubectl-koji
check "ruff format" ruff format -q --check plugins runner tests tools roles bin/koji-operator-metrics bin/kubectl-koji
check "mypy: the collection" mypy -p ansible_collections.fedoraproject.koji.plugins
check "mypy: runner, tests, tools and what roles bring" mypy runner tests tools roles
check "mypy: the exporter" mypy bin/koji-operator-metrics
check "mypy: kubectl koji, with the oldest Python that mypy knows" mypy --python-version 3.10 bin/kubectl-koji
check "kubectl koji has nothing that Python 3.9 has not" ruff check -q --isolated --target-version py39 --select E9,F bin/kubectl-koji
check "yamllint" yamllint -s .
check "ansible-lint" env ANSIBLE_LIBRARY=plugins/modules ansible-lint -q --offline
check "the modules' documentation" antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .
check "generated CRDs" python -m tools.crds --check
check "generated reference" python -m tools.reference --check
check "the table of metrics" python -m tools.metrics --check
check "the Krew manifest" python -m tools.krew --check
check "the table of fields" python -m tools.fields
check "the table of faults" python -m tools.faults
check "changelog fragments" antsibull-changelog lint

if ((${#failed[@]})); then
  printf 'lint: failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
