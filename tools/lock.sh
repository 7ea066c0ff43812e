#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# Locks the packages of pyproject.toml: requirements.txt for the image, requirements-dev.txt for development.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(ls -d "${KOJI_OPERATOR_CACHE:-$HOME/.cache/koji-operator}"/uv-*/bin/uv | tail -n 1)
compile=("$uv" pip compile -q --universal --python-version 3.11 --generate-hashes
  --custom-compile-command "make lock" --no-emit-index-url --no-emit-find-links pyproject.toml)
"${compile[@]}" -o requirements.txt
"${compile[@]}" --group dev -c requirements.txt -o requirements-dev.txt
# For an image: Debian's Python, and a library that only a test's broker is spoken to with.
messaging=tests/cluster/images/devhub/messaging
"$uv" pip compile -q --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes \
  --custom-compile-command "make lock" --no-emit-index-url --no-emit-find-links \
  "$messaging/requirements.in" -o "$messaging/requirements.txt"
