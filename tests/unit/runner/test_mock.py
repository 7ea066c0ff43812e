# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whom mock is told to build as, when kojid's handlers call it as root."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from runner import mock

if TYPE_CHECKING:
    from pathlib import Path

USERS = {"kojibuilder": 1000, "packager": 1001, "root": 0}


@pytest.fixture(autouse=True)
def image(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image with these users, `packager` a member of mock's group; this process is root in it."""
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=USERS[name]))
    monkeypatch.setattr(grp, "getgrnam", {"mock": SimpleNamespace(gr_mem=["packager"])}.__getitem__)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The image's mock, which says how it was called."""
    found = tmp_path / "it's mock"
    found.write_text('#!/bin/sh\nprintf "%s\\n" "$USERHELPER_UID" "$@"\n')
    found.chmod(0o755)
    return found


def options(tmp_path: Path, **changes: str) -> SimpleNamespace:
    return SimpleNamespace(
        **{"workdir": str(tmp_path), "mockuser": "kojibuilder", "mockpath": "/usr/bin/mock", **changes}
    )


@pytest.mark.parametrize(
    ("mockuser", "uid"), [("kojibuilder", "1000"), ("packager", "1001"), ("root", "1001"), ("nobody-here", "1001")]
)
def test_mock_is_called_for_the_user_that_kojid_conf_names(
    tmp_path: Path, program: Path, mockuser: str, uid: str
) -> None:
    found = options(tmp_path, mockuser=mockuser)
    mock.prepare(found, ["/no/such/mock", str(program)])
    assert found.mockuser == "root"
    said = subprocess.check_output([found.mockpath, "-r", "koji/f 42", "--init"], text=True)
    assert said.splitlines() == [uid, "-r", "koji/f 42", "--init"]


def test_a_mockpath_of_the_site_s_own_is_called_as_it_is(tmp_path: Path, program: Path) -> None:
    found = options(tmp_path, mockpath="/opt/mock")
    mock.prepare(found, [str(program)])
    assert (found.mockpath, found.mockuser) == ("/opt/mock", "root")


def test_an_image_without_mock_or_its_group_is_left_alone(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = options(tmp_path)
    mock.prepare(found, ["/no/such/mock"])
    assert found.mockpath == "/usr/bin/mock"
    monkeypatch.setattr(grp, "getgrnam", {}.__getitem__)
    found = options(tmp_path, mockuser="nobody-here")
    mock.prepare(found, [str(program)])
    assert found.mockpath == "/usr/bin/mock"


def test_a_worker_that_is_not_root_changes_nothing(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = options(tmp_path)
    mock.prepare(found, [str(program)])
    assert found == options(tmp_path)
