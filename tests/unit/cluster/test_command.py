# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The command line: what belongs to us, what to the program that is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import Cluster, ClusterError, command
from tests.cluster.paths import Places


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["up"], ("up", None, [])),
        (["up", "--name", "dev"], ("up", "dev", [])),
        (["up", "--name=dev"], ("up", "dev", [])),
        (["exec", "--name", "dev", "--", "ls", "--name", "x"], ("exec", "dev", ["ls", "--name", "x"])),
        (["exec", "ls", "--", "x"], ("exec", None, ["ls", "--", "x"])),
        (["kubectl", "-n", "a", "get", "pods"], ("kubectl", None, ["-n", "a", "get", "pods"])),
        (["images", "--name", "dev", "devhub"], ("images", "dev", ["devhub"])),
        ([], ("help", None, [])),
    ],
)
def test_parse(arguments: list[str], expected: tuple[str, str | None, list[str]]) -> None:
    assert command.parse(arguments) == expected


@pytest.mark.parametrize("arguments", [["fly"], ["up", "dev"], ["down", "--nmae", "dev"]])
def test_wrong_usage_is_exit_code_2_and_changes_nothing(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_a_users_kubeconfig_is_used_and_its_cluster_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = tmp_path / "kubectl"
    fake.write_text('#!/bin/sh\necho "$@" >> "$0.calls"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("KUBECONFIG", "/my/own")
    monkeypatch.delenv(command.OWN, raising=False)
    for word in ("up", "images", "down"):
        assert command.main([word]) == 0
    assert (tmp_path / "kubectl.calls").read_text() == "get --raw /version\n"
    assert "/my/own" in capsys.readouterr().err
    fake.write_text("#!/bin/sh\necho refused >&2; exit 1\n")
    assert command.main(["up"]) == 1
    assert "refused" in capsys.readouterr().err


def test_under_exec_the_kubeconfig_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/state/kubeconfig")
    monkeypatch.setenv(command.OWN, "dev")
    assert command.foreign_kubeconfig() is None


def test_no_shell_reads_the_program() -> None:
    program = ["echo", "a  b", "$HOME", "`id`", "'", ";"]
    assert Cluster(places=Places("one")).inside(program)[-len(program) :] == program


def test_exec_without_a_cluster_says_how_to_start_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    cluster = Cluster(places=Places("none", Path(tmp_path)))
    with pytest.raises(ClusterError, match="up --name none"):
        command.run_inside(cluster, ["true"])
