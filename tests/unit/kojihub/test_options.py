# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Options and policies of hub.conf: those that would keep the hub from starting are named before it reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import options
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.options import OptionError

FIELDS = yaml.safe_load((Path(__file__).parents[3] / "config/crd/src/shared/hub_options.yaml").read_text("utf-8"))


def test_each_option_of_the_crd_is_known_by_its_type() -> None:
    for group, wanted in ((options.BOOLEAN, "boolean"), (options.INTEGER, "integer")):
        assert sorted(group) == sorted(name for name, field in FIELDS.items() if field.get("type") == wanted)
    assert sorted(options.OFFERED) == sorted(FIELDS)
    assert {name: field["default"] for name, field in FIELDS.items() if "default" in field} == options.DEFAULTS


def test_an_empty_text_is_unset_but_for_a_regular_expression() -> None:
    found = options.texts({"EmailDomain": "", "Plugins": None, "RegexUserName": "", "NotifyOnSuccess": False})
    assert found == {"RegexUserName": "", "NotifyOnSuccess": "False"}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("RunInterval", "soon", "wanted is a whole number"),
        ("runinterval", "1.5", "wanted is a whole number"),
        ("NotifyOnSuccess", "maybe", "wanted is true or false"),
        ("RegexUserName", "[a-", "unterminated character set"),
        ("LogLevel", "LOUD", "a level is one of DEBUG"),
        ("LogLevel", "INFO koji.policy:loud", "a level is one of DEBUG"),
        ("LogFormat", "%(nonsense", "invalid format"),
    ],
)
def test_a_value_that_the_hub_would_not_start_with_is_refused(name: str, value: str, why: str) -> None:
    with pytest.raises(OptionError, match=f"(?i)^{name} is '.*{why}"):
        options.check(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RunInterval", "-1"),
        ("NotifyOnSuccess", "Off"),
        ("LogLevel", "INFO koji.policy:DEBUG .db:ERROR"),
        ("LogLevel", ""),
        ("LogFormat", "%(asctime)s [%(levelname)s] u=%(user_name)s %(message)s"),
        ("RegexUserName", ""),
        ("SomethingNewer", "x"),
    ],
)
def test_a_value_that_the_hub_understands_is_accepted(name: str, value: str) -> None:
    options.check(name, value)


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match=r"DBPass: hub\.conf has no such option that is set here"):
        options.texts({"DBPass": "secret"})


def test_policies_lose_comments_and_empty_lines() -> None:
    text = "# who\nhas_perm admin :: allow\n\n  match name x :: {\n all :: deny no\n }\n; x\n"
    assert options.policies({"build_rpm": text}) == {
        "build_rpm": "has_perm admin :: allow\nmatch name x :: {\nall :: deny no\n}"
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("all allow", "'all allow' has neither"),
        ("all :: {\nall :: allow", "a '{' without its '}'"),
        ("all :: allow\n}", "a '}' without its '{'"),
        ("all ::", "lacks a test or an action"),
        (":: allow", "lacks a test or an action"),
        ("has_perm admin && :: allow", "lacks a test or an action"),
    ],
)
def test_a_policy_that_the_hub_can_not_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(OptionError, match="policy tag: ") as refused:
        options.policies({"tag": text})
    assert why in str(refused.value)


def test_one_policy_in_two_spellings_is_refused() -> None:
    with pytest.raises(OptionError, match="'Tag' and 'tag' are the same policy"):
        options.policies({"Tag": "all :: allow", "tag": "all :: deny no"})


def test_a_policy_with_another_name_is_refused() -> None:
    with pytest.raises(OptionError, match="is no policy's name"):
        options.policies({"tag = x\nhub": "all :: allow"})
