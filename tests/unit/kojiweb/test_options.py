# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Options of web.conf: those that would keep the web pages from starting are named before they read them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.options import OptionError
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb import options

SOURCE = yaml.safe_load((Path(__file__).parents[3] / "config/crd/src/kojiweb.yaml").read_text("utf-8"))
FIELDS = SOURCE["spec"]["properties"]["web_options"]["properties"]


def test_each_option_of_the_crd_is_known_by_its_type() -> None:
    for group, wanted in ((options.BOOLEAN, "boolean"), (options.INTEGER, "integer")):
        assert sorted(group) == sorted(name for name, field in FIELDS.items() if field.get("type") == wanted)
    assert sorted(options.OFFERED) == sorted(FIELDS)


def test_lists_have_the_commas_that_koji_wants() -> None:
    assert options.texts({"Tasks": "runroot  livecd\n,image", "ToplevelTasks": ""}) == {"Tasks": "runroot,livecd,image"}


def test_a_percent_sign_stays_one() -> None:
    assert options.texts({"SiteName": "100% Koji"}) == {"SiteName": "100%% Koji"}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("LoginTimeout", "soon", "wanted is a whole number"),
        ("logindisabled", "maybe", "wanted is true or false"),
        ("LogLevel", "LOUD", "a level is one of DEBUG"),
        ("LogFormat", "%(nonsense", "invalid format"),
        ("WebAuthType", "kerberos", "wanted is ssl or gssapi"),
    ],
)
def test_a_value_that_the_web_pages_would_not_start_with_is_refused(name: str, value: str, why: str) -> None:
    with pytest.raises(OptionError, match=f"(?i)^{name} is '.*{why}"):
        options.check(name, value)


def test_an_option_that_is_not_set_here_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^WebCert: .*configmap"):
        options.texts({"WebCert": "/etc/passwd"})
