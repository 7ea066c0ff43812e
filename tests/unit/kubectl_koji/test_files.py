# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What comes with the plugin fits it: ClusterRole, Krew manifest, documentation."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tools import krew
from tools.generated import ROOT

from .world import PLUGIN

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

PAGE = (ROOT / "docs" / "kubectl-koji.md").read_text("utf-8")


def test_the_cluster_role_has_the_rules_that_messages_name(plugin: ModuleType) -> None:
    role = yaml.safe_load((ROOT / "config" / "rbac" / "kubectl_koji_role.yaml").read_text("utf-8"))
    assert (role["kind"], role["metadata"]["name"]) == ("ClusterRole", "kubectl-koji")
    allowed = {
        (group, resource): tuple(sorted(rule["verbs"]))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert allowed == {key: tuple(sorted(verbs)) for key, verbs in plugin.RULES.items()}
    assert plugin.ROLE.endswith("/config/rbac/kubectl_koji_role.yaml")


def test_the_kinds_are_those_that_there_are(plugin: ModuleType) -> None:
    there = [yaml.safe_load(file.read_text("utf-8"))["spec"] for file in (ROOT / "config/crd/bases").glob("*.yaml")]
    assert {crd["names"]["kind"]: crd["names"]["plural"] for crd in there} == plugin.KINDS
    assert {crd["group"] for crd in there} == {plugin.GROUP}


def test_the_krew_manifest_is_that_of_the_archive(tmp_path: Path) -> None:
    manifest: dict[str, Any] = yaml.safe_load(krew.MANIFEST.read_text("utf-8"))
    [platform] = manifest["spec"]["platforms"]
    data = krew.archive()
    assert platform["sha256"] == hashlib.sha256(data).hexdigest(), f"run {krew.COMMAND}"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert set(archive.namelist()) == {"kubectl-koji", "LICENSE"}
        assert archive.read(platform["bin"]) == PLUGIN.read_bytes()
        assert archive.getinfo("kubectl-koji").external_attr >> 16 & 0o111
    assert re.fullmatch(r"v\d+\.\d+\.\d+", manifest["spec"]["version"])
    assert len(manifest["spec"]["shortDescription"]) <= 50


def test_it_needs_nothing_but_python() -> None:
    tree = ast.parse(PLUGIN.read_text("utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported <= set(sys.stdlib_module_names)
    assert os.access(PLUGIN, os.X_OK)


def test_a_python_without_our_packages_runs_it(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-W", "error", str(PLUGIN), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("Runs koji in the admin sidecar")
    assert done.stderr == ""


WORDS = ("status", "logs", "wait", "completion", "124", "--attempt", "--timeout", "kubectl_complete-koji")


@pytest.mark.parametrize("word", [*WORDS, "--namespace", "--context", "--kubeconfig", "--hub"])
def test_the_page_says_what_there_is(word: str) -> None:
    assert word in PAGE


def test_the_plugin_s_links_lead_somewhere(plugin: ModuleType) -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).strip().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    used = re.findall(r"\{MORE\}#([a-z-]+)", PLUGIN.read_text("utf-8"))
    assert used
    assert set(used) <= anchors
    assert (ROOT / plugin.MORE.partition("/main/")[2]).is_file()


def test_every_state_is_explained(plugin: ModuleType) -> None:
    source = PLUGIN.read_text("utf-8")
    states = set(re.findall(r'return "([A-Z][a-z ]+)", [A-Z]+', source)) | {plugin.GOOD}
    assert len(states) == 6
    for state in states:
        assert f"| `{state}` |" in PAGE
