# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""hub.conf."""

from pathlib import Path

import pytest

from tests.devhub.core import config


def test_hub_conf_has_the_last_word_over_hub_conf_d(tmp_path: Path) -> None:
    (tmp_path / "hub.conf.d").mkdir()
    (tmp_path / "hub.conf.d/b.conf").write_text("[hub]\nMaxJobs = 4\nReadyTimeout = 9\n")
    (tmp_path / "hub.conf.d/a.conf").write_text("[hub]\nReadyTimeout = 8\nCheckClientIP = no\n")
    (tmp_path / "hub.conf.d/ignored.txt").write_text("[hub]\nMaxJobs = 99\n")
    (tmp_path / "hub.conf").write_text(
        "[hub]\nMaxJobs = 5\nUnknownOption = x\nDBhost = db\n[policy]\nchannel =\n  all :: use vm\n"
    )
    conf = config.read(config.files_of(tmp_path / "hub.conf", tmp_path / "hub.conf.d"))
    assert (conf["MaxJobs"], conf["ReadyTimeout"], conf["CheckClientIP"], conf["DBHost"]) == (5, 9, False, "db")
    assert conf.policies["channel"].strip() == "all :: use vm"
    assert conf.policies["priority"] == "all :: stay"


def test_defaults_are_the_hubs() -> None:
    conf = config.Config()
    expected = {
        "RunInterval": 60,
        "ReadyTimeout": 180,
        "AssignTimeout": 300,
        "SoftRefusalTimeout": 900,
        "HostTimeout": 900,
        "MaxJobs": 15,
        "CapacityOvercommit": 5,
        "SessionRenewalTimeout": 1440,
        "CheckClientIP": True,
    }
    assert {name: conf[name] for name in expected} == expected


def test_rendered_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "hub.conf"
    policy = "method build :: use vm\nall :: use default"
    file.write_text(config.render({"MaxJobs": 3, "ProxyDNs": "CN=web|CN=x", "LockOut": True}, {"channel": policy}))
    conf = config.read([file])
    assert (conf["MaxJobs"], conf["ProxyDNs"], conf["LockOut"]) == (3, "CN=web|CN=x", True)
    assert conf.policies["channel"].strip() == policy


def test_a_misspelt_option_is_refused_where_a_test_gives_it() -> None:
    with pytest.raises(ValueError, match=r"no option MaxJob$"):
        config.render({"MaxJob": 1})


def test_a_value_of_the_wrong_type_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hub.conf").write_text("[hub]\nMaxJobs = many\n")
    with pytest.raises(ValueError, match="many"):
        config.read([tmp_path / "hub.conf"])
