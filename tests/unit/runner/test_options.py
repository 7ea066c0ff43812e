# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""kojid.conf over kojid's defaults."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import koji
import pytest

from runner.options import DEFAULTS, Options
from runner.outcome import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HUB = "https://koji-hub:8443/kojihub"


@pytest.fixture(autouse=True)
def _topdir() -> Iterator[None]:
    before = koji.BASEDIR, koji.pathinfo.topdir
    yield
    koji.BASEDIR, koji.pathinfo.topdir = before


def options(folder: Path, text: str) -> Options:
    """The options that a kojid.conf of this text gives."""
    config = folder / "kojid.conf"
    config.write_text(text)
    return Options(config, HUB)


def test_without_a_file_kojids_defaults(tmp_path: Path) -> None:
    values = Options(tmp_path / "absent", HUB).values
    assert {name: getattr(values, name) for name in DEFAULTS if name != "server"} == {
        name: value for name, value in DEFAULTS.items() if name != "server"
    }
    assert values.server == HUB
    assert values.topurls == []


def test_types_are_kojids(tmp_path: Path) -> None:
    values = options(
        tmp_path,
        "[kojid]\nserver = http://elsewhere\nmaxjobs = 3\ntimeout = 60\nuse_fast_upload = No\nvendor = A %(b)s C\n"
        "topurl = http://one/ http://two/\nplugins = save_failed_tree runroot\nbuild_arch_can_fail = true\n"
        "RLIMIT_NOFILE = 100 200\ntopdir = /srv/koji\n",
    ).values
    assert values.server == HUB, "the operator says which hub, not kojid.conf"
    assert (values.maxjobs, values.timeout, values.use_fast_upload) == (3, 60, False)
    assert values.vendor == "A %(b)s C", "no interpolation"
    assert (values.topurl, values.topurls) == ("http://one/", ["http://one/", "http://two/"])
    assert values.plugin == ["save_failed_tree", "runroot"]
    assert values.build_arch_can_fail is True
    assert values.RLIMIT_NOFILE == "100 200"
    assert koji.pathinfo.topdir == koji.BASEDIR == "/srv/koji"


def test_unknown_names_are_warned_of_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "koji.runner"):
        found = options(tmp_path, "[other]\na = 1\n[kojid]\nmaxjobs = 1\nmaxjbos = 2\nrlimit_core = 0\n")
        found.warn_of_unknown()
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/kojid.conf: unknown section [other]",
        f"{tmp_path}/kojid.conf: unknown option 'maxjbos'",
    ]


def test_an_images_kojid_may_know_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = options(tmp_path, "[kojid]\nnew_flag = off\nvendor = Us\n")
    found.add_defaults({"new_flag": True, "new_number": 5, "vendor": "Koji", "server": "x", "plugin": None})
    found.warn_of_unknown()
    values = found.values
    assert (values.new_flag, values.new_number, values.vendor) == (False, 5, "Us")
    assert (values.server, values.plugin) == (HUB, [])
    assert caplog.records == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[kojid]\nmaxjobs = many\n", "maxjobs must be a whole number"),
        ("[kojid]\ntimeout = 1.5\n", "timeout must be a whole number"),
        ("[kojid]\nuse_fast_upload = maybe\n", "use_fast_upload must be yes or no"),
        ("maxjobs = 1\n", "can't be read as kojid.conf"),
        ("[kojid\n", "can't be read as kojid.conf"),
        ("[kojid]\n\udcff\n".encode("utf-8", "surrogateescape").decode("latin-1"), "can't be read as kojid.conf"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(Problem, match=reason):
        options(tmp_path, text)
