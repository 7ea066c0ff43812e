# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`python -m tests.demo up|down`: a Koji hub and the operator on the test cluster, with tasks running in pods."""

from __future__ import annotations

import subprocess
import sys

from tests.cluster.progress import say

from . import CLUSTER, running

CLUSTER_COMMAND = [sys.executable, "-m", "tests.cluster"]


def cluster(command: str, *arguments: str) -> int:
    """Run a command of the test cluster; with KUBECONFIG set it is that cluster's."""
    return subprocess.run([*CLUSTER_COMMAND, command, "--name", CLUSTER, *arguments], check=False).returncode


def up() -> int:
    """Start everything that does not run yet, then show tasks run."""
    for command in ("up", "images"):
        if code := cluster(command):
            return code
    return cluster("exec", "--", sys.executable, "-m", "tests.demo", "scene")


def down() -> int:
    """End the operator, then the cluster with all that is in it; in a cluster of the user's, the namespace."""
    running.stop()
    cluster("exec", "--", sys.executable, "-m", "tests.demo", "leave")
    return cluster("down")


def main(arguments: list[str]) -> int:
    """Exit code of the command."""
    if arguments == ["up"]:
        return up()
    if arguments == ["down"]:
        return down()
    if arguments in (["scene"], ["leave"]):
        from . import scene  # noqa: PLC0415  (it needs a cluster)

        return scene.play() if arguments == ["scene"] else scene.leave()
    say(__doc__ or "")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
