# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Names and folders of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.paths import STATE_ROOT, ClusterError, Places, cache_root


@pytest.mark.parametrize("name", ["koji", "dev", "e2e-1", "a", "a" * 24])
def test_good_names(name: str) -> None:
    assert Places(name).state == STATE_ROOT / name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a b", "a\n", "a" * 25])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="cluster name"):
        Places(name)


def test_two_clusters_share_nothing() -> None:
    one, two = Places("one"), Places("two")
    for attribute in ("state", "lock", "netns", "netns_file", "cgroup", "containerd_socket", "audit_log", "kubeconfig"):
        assert getattr(one, attribute) != getattr(two, attribute)


def test_sockets_fit(tmp_path: Path) -> None:
    assert len(f"{Places('a' * 24).containerd_socket}.ttrpc") < 108  # unix(7): sun_path


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KOJI_OPERATOR_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.setenv("KOJI_OPERATOR_CACHE", "")
    assert cache_root() == Path.home() / ".cache/koji-operator"
