# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What stands in the way is said in whole, with what to type."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tools.generated import ROOT

from .world import TIMEOUT, hub_pod, kojihub, resource

if TYPE_CHECKING:
    from types import ModuleType

    from .world import World


def commands(said: str) -> list[list[str]]:
    """The command lines in a message, as a shell would take them apart."""
    return [shlex.split(line) for line in re.findall(r"^  (kubectl .*)$", said, re.MULTILINE)]


def test_without_a_sidecar_it_says_how_to_get_one(world: World) -> None:
    world.has(kojihub(spec={}), hub_pod(sidecar=False))
    said = world.says("--context", "my site", "list-hosts")
    assert "KojiHub 'hub' in namespace 'koji' has no admin sidecar" in said
    patch, wait = commands(said)
    assert patch[:5] == ["kubectl", "patch", "kojihub", "hub", "--type=merge"]
    assert json.loads(patch[6]) == {"spec": {"sidecar": True}}
    assert patch[7:] == ["--context", "my site", "-n", "koji"]
    assert wait[1:4] == ["wait", "--for=condition=Ready", "kojihub/hub"]
    assert "docs/kubectl-koji.md#the-sidecar" in said


def test_a_sidecar_that_is_asked_for_but_not_there_yet_is_waited_for(world: World) -> None:
    rolling = {"Ready": ("False", "RollingOut", "1 of 1 pods is old")}
    world.has(kojihub(conditions=rolling), hub_pod(sidecar=False))
    said = world.says("list-hosts")
    assert "no pod of it has one yet" in said
    assert "RollingOut: 1 of 1 pods is old" in said
    assert "patch" not in said
    assert [command[1] for command in commands(said)] == ["koji", "describe", "wait"]


def test_a_hub_without_pods_is_told_with_the_hub_s_own_reason(world: World) -> None:
    world.has(kojihub(conditions={"Ready": ("False", "ScaledToZero", "replicas is 0")}))
    said = world.says("list-hosts")
    assert "ScaledToZero: replicas is 0" in said


def waits(name: str, **state: object) -> dict[str, object]:
    """A container's status."""
    return {"name": name, "ready": not state, "state": {"waiting": state} if state else {"running": {}}}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"containerStatuses": [waits("hub", reason="ImagePullBackOff")]}, "hub: ImagePullBackOff"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "full"}]},
            "Unschedulable: full",
        ),
        ({"containerStatuses": [{**waits("hub"), "ready": False}, waits("admin")]}, "not ready: hub"),
        ({"phase": "Pending"}, "Pending"),
    ],
)
def test_a_pod_that_is_not_ready_is_told_with_what_it_waits_for(
    world: World, status: dict[str, object], why: str
) -> None:
    world.has(kojihub(), hub_pod(status=status))
    said = world.says("list-hosts")
    assert f"has no pod that is ready: koji-hub-1 ({why})" in said
    assert ["kubectl", "describe", "pod", "koji-hub-1", "-n", "koji"] in commands(said)


def test_no_hub_at_all(world: World) -> None:
    world.has(resource("KojiUser"))
    said = world.says("-n", "other", "list-hosts")
    assert "there is no KojiHub in namespace 'other'" in said
    assert commands(said) == [["kubectl", "get", "kojihubs", "--all-namespaces"]]


def test_the_namespace_of_the_kubeconfig_is_named(world: World) -> None:
    world.has(resource("KojiUser"), namespace="mine")
    assert "in namespace 'mine'" in world.says("list-hosts")


def test_several_hubs_are_named_with_the_command_for_each(world: World) -> None:
    world.has(kojihub("a"), kojihub("b"))
    said = world.says("--", "call", "x y", "*")
    assert "several KojiHubs in namespace 'koji': a, b" in said
    assert commands(said) == [
        ["kubectl", "koji", "-n", "koji", "--hub", name, "--", "call", "x y", "*"] for name in ("a", "b")
    ]


def test_what_is_to_be_typed_works(world: World) -> None:
    world.has(kojihub("a"), kojihub("b"), hub_pod("pod-a", "a"))
    [first, _] = re.findall(r"^  kubectl koji (.*)$", world.says("build", "x y", "*", "'"), re.MULTILINE)
    line = ["sh", "-c", f"kubectl-koji {first}"]
    assert subprocess.run(line, env=world.environment, timeout=TIMEOUT, check=False).returncode == 0
    assert world.arguments() == [["build", "x y", "*", "'"]]


def test_a_hub_that_is_not_there_is_told_with_those_that_are(world: World) -> None:
    said = world.says("--hub", "other", "list-hosts")
    assert "there is no KojiHub 'other' in namespace 'koji', but: hub" in said
    assert commands(said) == [["kubectl", "koji", "-n", "koji", "--hub", "hub", "list-hosts"]]


def test_a_cluster_without_the_operator_s_kinds(world: World) -> None:
    world.has(unknown=["kojihubs"])
    said = world.says("list-hosts")
    assert "the Koji operator's CRDs are not installed" in said
    assert "config/crd" in said


def rules(said: str) -> list[dict[str, list[str]]]:
    """The RBAC rules in a message."""
    found = [yaml.safe_load(line) for line in re.findall(r"^  (- \{.*\})$", said, re.MULTILINE)]
    return [rule for listed in found for rule in listed]


@pytest.mark.parametrize(
    ("forbidden", "command", "group", "verbs"),
    [
        ("kojihubs", "list-hosts", "apps.fedoraproject.org", ["list"]),
        ("pods", "list-hosts", "", ["get", "list"]),
        ("pods/exec", "list-hosts", "", ["create", "get"]),
        ("pods/log", "logs", "", ["get"]),
        ("pods", "logs", "", ["get", "list"]),
        ("kojiusers", "status", "apps.fedoraproject.org", ["list"]),
        ("pods/exec", "wait", "", ["create", "get"]),
    ],
)
def test_a_missing_rule_is_named(world: World, forbidden: str, command: str, group: str, verbs: list[str]) -> None:
    pod = {"kind": "Pod", "metadata": {"name": "koji-task-12-1", "namespace": "koji", "labels": {"koji-task": "12"}},
           "status": {"phase": "Running"}}  # fmt: skip
    world.has(kojihub(), hub_pod(), pod, forbidden=[forbidden])
    said = world.says(command, *(["12"] if command in ("logs", "wait") else []))
    assert "system:serviceaccount:koji:someone is not allowed to" in said
    assert rules(said) == [{"apiGroups": [group], "resources": [forbidden], "verbs": verbs}]
    apply, bind = commands(said)
    assert apply[:3] == ["kubectl", "apply", "-f"]
    assert (ROOT / apply[3].partition("/main/")[2]).is_file()
    assert bind[:3] == ["kubectl", "create", "rolebinding"]
    assert bind[4:] == ["--clusterrole=kubectl-koji", "--serviceaccount=koji:someone", "-n", "koji"]
    assert "Error from server" not in said


def test_a_user_is_bound_as_a_user(world: World) -> None:
    world.has(forbidden=["pods"], user="Jo O'Neil@example.org")
    bind = commands(world.says("list-hosts"))[1]
    assert bind[3] == "kubectl-koji-jo-o-neil-example.org"
    assert "--user=Jo O'Neil@example.org" in bind


def test_what_kubectl_says_otherwise_is_passed_on(world: World, plugin: ModuleType) -> None:
    kubectl = world.bin / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 'The connection to the server was refused' >&2\nexit 7\n", "utf-8")
    said = world.says("list-hosts", code=7)
    assert said == "kubectl koji: kubectl says: The connection to the server was refused\n"
    assert plugin.forbidden("The connection to the server was refused", "x") is None


def test_without_kubectl_it_says_so(world: World) -> None:
    (world.bin / "kubectl").unlink()
    alone = {**world.environment, "PATH": str(world.bin)}
    done = subprocess.run(
        [sys.executable, str(world.bin / "kubectl-koji"), "list-hosts"],
        env=alone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "kubectl koji: there is no kubectl on the PATH\n")


def test_what_others_wrote_can_t_steer_a_terminal(world: World) -> None:
    evil = "\x1b]0;x\x07\x1b[2J"
    world.has(kojihub(conditions={"Ready": ("False", "Odd", evil)}))
    assert "\x1b" not in world.says("list-hosts")
    done = world.run("status")
    assert b"Odd" in done.stdout
    assert b"\x1b" not in done.stdout
