# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The policies that choose channel and priority."""

import koji
import pytest

from tests.devhub.core.faults import GenericError
from tests.devhub.core.policy import decide, parse
from tests.devhub.local import LocalHub

NESTED = """
method sleep && user kojira :: use createrepo   # a comment
is_child_task :: {
    match arch x86* :: parent
    all :: use vm
}
has req_channel !! use default
"""


@pytest.mark.parametrize(
    ("data", "action"),
    [
        ({"method": "sleep", "user_name": "kojira"}, "use createrepo"),
        ({"method": "sleep", "user_name": "x"}, "use default"),
        ({"method": "b", "parent": 1, "arch": "x86_64"}, "parent"),
        ({"method": "b", "parent": 1, "arch": "arm"}, "use vm"),
        ({"method": "b", "req_channel": "vm"}, None),
    ],
)
def test_rules(data: dict[str, object], action: str | None) -> None:
    assert decide(parse(NESTED), data) == action


@pytest.mark.parametrize("text", ["all", "unknown :: x", "all :: {", "}"])
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(GenericError):
        parse(text)


def test_hub_conf_decides_channel_and_priority() -> None:
    hub = LocalHub(policies={"channel": "method fork :: use vm\nall :: req", "priority": "has_perm admin :: adjust -7"})
    admin = hub.admin()
    forked = admin.getTaskInfo(admin.makeTask("fork", []))
    assert (admin.getChannel(forked["channel_id"])["name"], forked["priority"]) == ("vm", 13)
    asked = admin.getTaskInfo(admin.makeTask("sleep", [0], channel="image"))
    assert admin.getChannel(asked["channel_id"])["name"] == "image"
    with pytest.raises(koji.GenericError, match="invalid channel policy"):
        admin.makeTask("sleep", [0])
