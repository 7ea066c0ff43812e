# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""`python -m tests.cluster`: the test cluster from the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from . import image_builder, programs
from .cluster import Cluster
from .paths import ClusterError
from .progress import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from .processes import ProcessRecord

USAGE = """\
usage: python -m tests.cluster COMMAND [--name NAME] [ARGUMENTS]

  up                   start the cluster, or repair it
  down                 remove every trace of it
  status               what runs; exit code 1 unless all of it does
  images [IMAGE...]    build the images and import those that changed
  exec -- PROGRAM...   run a program in the cluster's network, with its DNS, KUBECONFIG and kubectl
  kubectl ARGUMENTS... the same as exec -- kubectl ARGUMENTS...
  logs [COMPONENT]     the last lines of one component's log, or of all

NAME is koji unless given. With KUBECONFIG set, that cluster is used instead: up checks it, exec runs the program.
"""
NO_PROGRAM = "exec: no program given; exec -- PROGRAM [ARGUMENT...]"
OWN = "KOJI_TEST_CLUSTER"  # set under exec: KUBECONFIG is then ours, not the user's


def parse(arguments: list[str]) -> tuple[str, str | None, list[str]]:
    """(command, name, the rest): options after the first other word belong to the program that is run."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        return "help", None, []
    command, rest, name = arguments[0], arguments[1:], None
    while rest:
        if rest[0] == "--name" and len(rest) > 1:
            name, rest = rest[1], rest[2:]
        elif rest[0].startswith("--name="):
            name, rest = rest[0].partition("=")[2], rest[1:]
        elif rest[0] == "--":
            rest = rest[1:]
            break
        else:
            break
    return command, name, rest


def foreign_kubeconfig() -> str | None:
    """The KUBECONFIG of the user's own cluster, if there is one."""
    return None if OWN in os.environ else os.environ.get("KUBECONFIG") or None


def foreign(command: str, kubeconfig: str, rest: list[str]) -> int:
    """The commands on a cluster that isn't ours: nothing of it is started, changed or removed."""
    kubectl = shutil.which("kubectl") or str(programs.ensure() / "kubectl")
    if command == "exec" and not rest:
        raise ClusterError(NO_PROGRAM)
    if command == "exec":
        os.execvp(rest[0], rest)  # noqa: S606
    if command == "kubectl":
        os.execvp(kubectl, [kubectl, *rest])  # noqa: S606
    if command in {"up", "status"}:
        done = subprocess.run([kubectl, "get", "--raw", "/version"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"KUBECONFIG={kubeconfig}: the cluster doesn't answer: {done.stderr.strip()}")
        say(f"using the cluster of KUBECONFIG={kubeconfig}")
        return 0
    if command == "logs":
        raise ClusterError(f"KUBECONFIG={kubeconfig}: the logs of that cluster aren't here")
    say(f"KUBECONFIG={kubeconfig} is set: nothing to do for {command} on a cluster that isn't ours")
    return 0


def status(cluster: Cluster) -> int:
    """A table of what runs."""
    if not cluster.places.state.exists():
        print(f"cluster {cluster.name}: not there; python -m tests.cluster up --name {cluster.name}")
        return 1
    for name, record in cluster.processes().items():
        print(f"{name:20} {describe(record)}")
    for reference, entry in image_builder.read_record(cluster.places.images).items():
        print(f"{reference:36} {entry['hash']}")
    healthy = cluster.healthy()
    print(f"cluster {cluster.name}: {'ready' if healthy else 'not ready; `up` repairs it'}")
    return 0 if healthy else 1


def describe(record: ProcessRecord | None) -> str:
    """The state of one process."""
    if record is None:
        return "never started"
    return f"running, pid {record.pid}" if record.alive() else "ended"


def logs(cluster: Cluster, names: list[str]) -> int:
    """The ends of logs."""
    known = list(cluster.processes())
    for name in names or known:
        if name not in known:
            raise ClusterError(f"no component {name!r}; there are {', '.join(known)}")
        print(f"==> {cluster.places.logs / name}.log <==\n{cluster.tail(name, 400 if names else 20)}")
    return 0


def run_inside(cluster: Cluster, program: list[str]) -> int:
    """Become the program, in the cluster: its exit code and signals are those of this process."""
    if not program:
        raise ClusterError(NO_PROGRAM)
    if not cluster.places.netns_file.exists() or not cluster.places.resolv_conf.exists():
        raise ClusterError(f"cluster {cluster.name} isn't running; python -m tests.cluster up --name {cluster.name}")
    command = cluster.inside(program)
    sys.stdout.flush()
    os.execvpe(command[0], command, cluster.environment())  # noqa: S606


def up(cluster: Cluster) -> int:
    """Start or repair."""
    cluster.up()
    say(f"cluster {cluster.name} is ready: python -m tests.cluster kubectl --name {cluster.name} get nodes")
    return 0


def down(cluster: Cluster) -> int:
    """Remove."""
    if not cluster.down():
        say(f"cluster {cluster.name}: not there")
    return 0


def images(cluster: Cluster, names: list[str]) -> int:
    """Build and import."""
    imported = cluster.import_images(names or None)
    say(f"imported: {', '.join(imported) or 'nothing, all up to date'}")
    return 0


COMMANDS: dict[str, Callable[[Cluster, list[str]], int]] = {
    "up": lambda cluster, _: up(cluster),
    "down": lambda cluster, _: down(cluster),
    "status": lambda cluster, _: status(cluster),
    "images": images,
    "exec": run_inside,
    "kubectl": lambda cluster, rest: run_inside(cluster, ["kubectl", *rest]),
    "logs": logs,
}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, 1 on an error of the cluster, 2 on wrong usage; under exec and kubectl, the program's own."""
    command, name, rest = parse(sys.argv[1:] if arguments is None else arguments)
    if command == "help":
        print(USAGE, end="")
        return 0
    if command not in COMMANDS or (command in {"up", "down", "status"} and rest):
        say(USAGE)
        return 2
    kubeconfig = foreign_kubeconfig()
    try:
        if kubeconfig:
            return foreign(command, kubeconfig, rest)
        return COMMANDS[command](Cluster(name or os.environ.get(OWN) or "koji"), rest)
    except ClusterError as problem:
        say(f"error: {problem}")
        return 1
