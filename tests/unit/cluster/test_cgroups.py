# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which processes are the cluster's, on folders that look like a cgroup file system."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cluster import cgroups, mounts
from tests.cluster.paths import ClusterError


@pytest.fixture
def version1(tmp_path: Path) -> Path:
    for controller in ("cpu", "cpuset", "pids"):
        (tmp_path / controller).mkdir()
        (tmp_path / controller / "cgroup.procs").touch()
    return tmp_path


def test_version_1_has_a_hierarchy_a_controller(version1: Path) -> None:
    (version1 / "unmounted").mkdir()
    assert [folder.name for folder in cgroups.hierarchies(version1)] == ["cpu", "cpuset", "pids"]
    assert cgroups.tracking(version1) == version1 / "pids"
    cgroups.create("/koji-x", version1)
    assert all((version1 / name / "koji-x").is_dir() for name in ("cpu", "cpuset", "pids"))
    assert cgroups.daemons("/koji-x", version1) == version1 / "pids/koji-x/daemons"
    assert cgroups.daemons("/koji-x", version1).is_dir()


def test_version_2_has_one_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    cgroups.create("/koji-x", tmp_path)
    assert cgroups.hierarchies(tmp_path) == [tmp_path]
    assert (tmp_path / "koji-x" / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert cgroups.guests("/koji-x", tmp_path).is_dir()


def test_without_the_pids_controller_it_says_so(version1: Path) -> None:
    (version1 / "pids" / "cgroup.procs").unlink()
    with pytest.raises(ClusterError, match="pids"):
        cgroups.tracking(version1)


def test_members_are_found_at_every_depth(version1: Path) -> None:
    deep = version1 / "pids/koji-x/kubepods/pod1"
    deep.mkdir(parents=True)
    (version1 / "pids/koji-x/cgroup.procs").write_text("")
    (deep / "cgroup.procs").write_text("12\n13\n")
    (version1 / "pids/koji-xy").mkdir()
    (version1 / "pids/koji-xy/cgroup.procs").write_text("99\n")
    assert cgroups.members("/koji-x", version1) == {12, 13}
    assert cgroups.members("/koji-none", version1) == set()


def test_what_does_not_end_is_an_error(version1: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    folder = version1 / "pids/koji-x"
    folder.mkdir()
    (folder / "cgroup.procs").write_text(f"{child.pid}\n")  # a file, so the ended process stays in it
    with pytest.raises(ClusterError, match=str(child.pid)):
        cgroups.kill("/koji-x", 0.1, version1)
    assert child.wait() == -9


def test_mount_points_are_unescaped() -> None:
    text = (
        "22 1 0:21 / / rw - ext4 /dev/vda rw\n"
        "23 22 0:22 / /srv/one/a\\040b rw - tmpfs tmpfs rw\n"
        "24 22 0:22 / /srv/one rw - tmpfs tmpfs rw\n"
        "25 22 0:22 / /srv/one-more rw - tmpfs tmpfs rw\n"
    )
    found = mounts.below(Path("/srv/one"), text)
    assert [str(point) for point in found] == ["/srv/one", "/srv/one/a b"]
