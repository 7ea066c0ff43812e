# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which handler runs a method: the library's, the image's kojid's, or a plugin's."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import koji
import koji.daemon
import koji.tasks
import pytest

from runner.handlers import load_kojid, register
from runner.options import Options
from runner.outcome import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What matters of a real kojid: no .py, imports at the top, handlers, get_options(), a main part that must not run.
KOJID = """
import sys
from optparse import OptionParser
import koji
from koji.tasks import BaseTaskHandler


class BuildArchTask(BaseTaskHandler):
    Methods = ['buildArch']

    def handler(self):
        return self.options.brand_new


class SleepTask(BaseTaskHandler):
    Methods = ['sleep']


def get_options():
    parser = OptionParser()
    parser.add_option('-c', '--config', dest='configFile')
    options, args = parser.parse_args()
    config = koji.read_config_files(options.configFile, raw=True)
    assert config.get('kojid', 'server') and config.get('kojid', 'topurl')
    options.brand_new = True
    options.vendor = 'Koji 2'
    options.workdir = '/of/kojid'
    return options


if __name__ == '__main__':
    raise SystemExit('main ran')
"""
PLUGIN = """
from koji.tasks import BaseTaskHandler


class RunRootTask(BaseTaskHandler):
    Methods = ['runroot', 'sleep']
"""


@pytest.fixture
def manager() -> koji.daemon.TaskManager:
    """A TaskManager that needs no hub for registering."""
    found = koji.daemon.TaskManager.__new__(koji.daemon.TaskManager)
    found.handlers = {}
    return found


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = koji.BASEDIR, koji.pathinfo.topdir
    arguments = list(sys.argv)
    yield
    koji.BASEDIR, koji.pathinfo.topdir = before
    assert sys.argv == arguments
    for name in [name for name in sys.modules if name == "kojid" or name.startswith("_koji_plugin__")]:
        del sys.modules[name]


@pytest.fixture
def kojid(tmp_path: Path) -> Path:
    """The image's kojid."""
    path = tmp_path / "kojid"
    path.write_text(KOJID)
    return path


def options(folder: Path, text: str = "") -> Options:
    """Options with a kojid.conf of this text."""
    (folder / "kojid.conf").write_text(f"[kojid]\nworkdir = {folder}\n{text}")
    return Options(folder / "kojid.conf", "https://hub/kojihub")


def test_without_kojid_the_librarys(tmp_path: Path, manager: koji.daemon.TaskManager) -> None:
    register(manager, "sleep", options(tmp_path), tmp_path / "absent")
    assert manager.handlers["sleep"] is koji.tasks.SleepTask
    assert "buildArch" not in manager.handlers


def test_methods_for_the_daemon_are_nobodys_here(tmp_path: Path, manager: koji.daemon.TaskManager) -> None:
    register(manager, "restart", options(tmp_path), tmp_path / "absent")
    assert {"restart", "restartVerify", "shutdown"}.isdisjoint(manager.handlers)
    assert "restartHosts" in manager.handlers


def test_kojids_handlers_and_defaults(tmp_path: Path, manager: koji.daemon.TaskManager, kojid: Path) -> None:
    found = options(tmp_path, "vendor = Us\n")
    register(manager, "buildArch", found, kojid)
    assert manager.handlers["buildArch"].__module__ == "kojid"
    assert manager.handlers["sleep"] is koji.tasks.SleepTask, "kojid itself prefers the library's"
    assert found.values.brand_new is True
    assert found.values.vendor == "Us"
    assert found.values.workdir == str(tmp_path)


def test_kojid_is_not_loaded_for_the_librarys_methods(
    tmp_path: Path, manager: koji.daemon.TaskManager, kojid: Path
) -> None:
    register(manager, "sleep", options(tmp_path), kojid)
    assert "kojid" not in sys.modules


def test_plugins_come_last(tmp_path: Path, manager: koji.daemon.TaskManager, kojid: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/runroot.py").write_text(PLUGIN)
    register(manager, "sleep", options(tmp_path, f"plugin = runroot\npluginpath = /absent:{tmp_path}/plugins\n"), kojid)
    assert manager.handlers["sleep"].__name__ == "RunRootTask"
    assert manager.handlers["buildArch"].__module__ == "kojid"


def test_absent_plugin_is_named(tmp_path: Path, manager: koji.daemon.TaskManager) -> None:
    with pytest.raises(Problem, match=r"plugin 'runroot' of kojid\.conf can't be loaded from /absent"):
        register(manager, "sleep", options(tmp_path, "plugin = runroot\npluginpath = /absent\n"), tmp_path / "no")


@pytest.mark.parametrize("text", ["import no_such_module", "raise SystemExit(1)", "def broken(:"])
def test_kojid_that_can_not_be_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "kojid").write_text(text)
    with pytest.raises(Problem, match="kojid of this image can't be loaded"):
        load_kojid(tmp_path / "kojid")


@pytest.mark.parametrize(
    "get_options", ["", "def get_options():\n    raise SystemExit('unhappy')", "def get_options():\n    1 / 0"]
)
def test_kojid_without_usable_options(
    tmp_path: Path, manager: koji.daemon.TaskManager, get_options: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "kojid").write_text(get_options)
    found = options(tmp_path)
    with caplog.at_level(logging.WARNING, "koji.runner"):
        register(manager, "buildArch", found, tmp_path / "kojid")
    assert found.values.vendor == "Koji"
    assert bool(caplog.records) == bool(get_options)
