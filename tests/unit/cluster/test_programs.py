# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What decides the binaries, and how they are stamped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster import programs
from tests.cluster.paths import ClusterError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "go.mod").write_text("module x\n\nrequire (\n\tk8s.io/kubernetes v1.34.4\n)\n")
    (tmp_path / "go.sum").write_text("")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "main.go").write_text("package main\n")
    return tmp_path


def test_the_hash_follows_every_source(module: Path) -> None:
    seen = {programs.source_hash(module)}
    for file in ("go.mod", "go.sum", "a/main.go", "a/more.go"):
        with (module / file).open("a") as out:
            out.write("// changed\n")
        seen.add(programs.source_hash(module))
    assert len(seen) == 5
    (module / "README").write_text("not a source")
    assert programs.source_hash(module) in seen


def test_the_hash_knows_where_a_file_lies(module: Path) -> None:
    before = programs.source_hash(module)
    (module / "a").rename(module / "b")
    assert programs.source_hash(module) != before


def test_the_version_is_read_from_the_lock() -> None:
    assert programs.kubernetes_version((programs.MODULE / "go.mod").read_text()).startswith("v1.34.")
    with pytest.raises(ClusterError, match=r"go\.mod"):
        programs.kubernetes_version("module x\n")


def test_the_version_is_stamped() -> None:
    flags = programs.linker_flags("v1.34.4")
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.4" in flags
    assert "version.gitMajor=1 " in flags
    assert "version.gitMinor=34 " in flags


def test_two_checkouts_with_the_same_sources_share_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KOJI_OPERATOR_CACHE", str(tmp_path))
    target = programs.folder()
    assert target.parent == tmp_path
    target.mkdir()
    assert programs.ensure() == target  # nothing is built
