# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Make the Krew manifest of bin/kubectl-koji, and the archive that a release has beside it.

The archive is the same to the byte wherever it is made, so the manifest can say its checksum before there is a release.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import textwrap
import zipfile
from pathlib import Path

import yaml

from tools import generated
from tools.generated import ROOT

MANIFEST = ROOT / "config" / "krew" / "koji.yaml"
COMMAND = "python -m tools.krew"
ARCHIVE = "kubectl-koji.zip"
FILES = {"kubectl-koji": ROOT / "bin" / "kubectl-koji", "LICENSE": ROOT / "LICENSE"}

TEMPLATE = """\
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
---
# made by tools/krew.py: do not edit
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: koji
spec:
  version: v{version}
  homepage: {repository}/blob/main/docs/kubectl-koji.md
  shortDescription: Administer a Koji build system
  description: |
    Runs koji, the command of Fedora's RPM build system, in the admin sidecar of a KojiHub, with your arguments,
    standard input, terminal and signals, and its exit code. status shows all resources and what is wrong
    with them, logs the log of a task's pod, wait waits for a task.
  caveats: |
    Needs Python 3.9 or later, and the Koji operator in the cluster.
  platforms:
    - selector:
        matchExpressions:
          - {{key: os, operator: In, values: [linux, darwin]}}
      uri: {repository}/releases/download/v{version}/{archive}
      sha256: {checksum}
      bin: kubectl-koji
"""


def archive() -> bytes:
    """The plugin and its license. Nothing is compressed, as compressors differ; nothing has a time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, source in FILES.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3  # Unix, which has modes
            info.external_attr = (0o100755 if name == "kubectl-koji" else 0o100644) << 16
            file.writestr(info, source.read_bytes())
    return buffer.getvalue()


def files() -> dict[Path, str]:
    """The manifest of today's plugin."""
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))
    text = TEMPLATE.format(
        version=galaxy["version"],
        repository=galaxy["repository"],
        archive=ARCHIVE,
        checksum=hashlib.sha256(archive()).hexdigest(),
    )
    return {MANIFEST: text}


def main() -> int:
    """The command line. -> exit code"""
    parser = argparse.ArgumentParser(prog=COMMAND, description=textwrap.shorten(__doc__ or "", 200))
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the manifest is out of date")
    parser.add_argument(
        "--archive", type=Path, metavar="FILE", help=f"write the archive too; a release has it as {ARCHIVE}"
    )
    options = parser.parse_args()
    if options.archive:
        options.archive.write_bytes(archive())
    return generated.update(files(), check=options.check, command=COMMAND)


if __name__ == "__main__":
    sys.exit(main())
