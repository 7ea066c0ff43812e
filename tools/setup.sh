#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# Makes .venv with the locked packages, and the links by which Ansible, pytest and mypy find this collection.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${KOJI_OPERATOR_CACHE:-$HOME/.cache/koji-operator}
uv_version=0.13.9

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "setup: python3 is $(python3 --version 2>&1); wanted is 3.11 or later" >&2
  exit 1
fi

# gssapi, which koji needs, is compiled here.
missing=()
for package in gcc libkrb5-dev $(python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv); do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  if ((EUID != 0)); then
    echo "setup: these Debian packages are missing: ${missing[*]}; install them with apt-get, or run this as root" >&2
    exit 1
  fi
  echo "setup: installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi

uv=$cache/uv-$uv_version/bin/uv
if [[ ! -x $uv ]]; then
  python3 -m venv "$cache/uv-$uv_version"
  "$cache/uv-$uv_version/bin/pip" install -q --disable-pip-version-check "uv==$uv_version"
fi

echo "setup: installing the packages of requirements-dev.txt into .venv"
[[ -x .venv/bin/python ]] || "$uv" venv -q --python "$(command -v python3)" .venv
# Compiled: importing the kubernetes client takes 0.3 s of CPU then, else 1.2 s, in each process.
VIRTUAL_ENV=.venv "$uv" pip sync -q --compile-bytecode --require-hashes requirements-dev.txt

# The checkout is the collection.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for folder in "$site" .typing; do
  mkdir -p "$folder/ansible_collections/fedoraproject"
  ln -sfn "$PWD" "$folder/ansible_collections/fedoraproject/koji"
done
touch .venv/.locked
