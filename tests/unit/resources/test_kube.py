# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whom the modules talk to: the API server itself, or what the run's kubeconfig names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.fedoraproject.koji.plugins.module_utils import kube

if TYPE_CHECKING:
    from pathlib import Path


def kubeconfig(path: Path, server: str, **user: Any) -> str:
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "it", "user": user}],
    }
    path.write_text(json.dumps(config), "utf-8")
    return str(path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a run of the operator."""
    monkeypatch.setenv(
        "KUBECONFIG", kubeconfig(tmp_path / "proxy", "http://o@localhost:8888", username="o", password="x")
    )
    monkeypatch.setenv(kube.DIRECT_KUBECONFIG, kubeconfig(tmp_path / "direct", "https://api:6443", token="t"))


@pytest.mark.usefixtures("run")
def test_modules_talk_to_the_api_server_itself() -> None:
    access = kube._find_access(proxied=False)
    assert (access.server, access.auth) == ("https://api:6443", None)


@pytest.mark.usefixtures("run")
def test_what_is_to_be_watched_is_read_through_the_runtimes_proxy_in_the_owners_name() -> None:
    access = kube._find_access(proxied=True)
    assert (access.server, access.auth) == ("http://o@localhost:8888", ("o", "x"))


@pytest.mark.usefixtures("run")
def test_without_a_proxy_all_is_read_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG")
    assert kube._find_access(proxied=True).server == "https://api:6443"
