# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""kojira's options: the program's own list, and where limits go by the hub's version."""

from __future__ import annotations

import ast
import re
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira import options

from tests.devhub.core import config

PROGRAM = Path(shutil.which("kojira", path=sysconfig.get_path("scripts")) or "")
CRD = Path(__file__).parents[3] / "config/crd/src/kojira.yaml"


def named(list_name: str) -> set[str]:
    """A list of options in the program."""
    found = re.search(rf"{list_name} = (\(.*?\))", PROGRAM.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return set(ast.literal_eval(found[1]))


def test_the_programs_options_are_those_that_are_known() -> None:
    taken = named("int_opts") | named("str_opts") | named("bool_opts")
    assert taken == {
        *(*options.INTEGER, *options.BOOLEAN, *options.TEXT, *options.NEW_INTEGER, *options.NEW_TEXT, options.ALIAS)
    }
    assert {name for name in named("legacy_opts") if not options.ignores(name, new=True)} == set()


def test_numbers_and_booleans_are_the_programs() -> None:
    assert named("int_opts") == {*options.INTEGER, *options.NEW_INTEGER, options.ALIAS}
    assert named("bool_opts") == set(options.BOOLEAN)


def test_every_field_of_kojira_options_goes_somewhere() -> None:
    schema = yaml.safe_load(CRD.read_text("utf-8"))
    for name in schema["spec"]["properties"]["kojira_options"]["properties"]:
        old, new = options.takes(name, new=False), options.takes(name, new=True)
        assert old or new or name in options.HUB_TAGS, name


@pytest.mark.parametrize(
    ("version", "new"),
    [("1.34.3", False), ("1.35", True), ("1.35.3", True), ("1.36.1", True), ("2.0", True), ("1.9.0", False)],
)
def test_the_hub_has_the_queue_since_1_35(version: str, new: bool) -> None:
    assert options.hub_has_the_queue(version) is new


def test_the_hubs_own_defaults_are_not_asked_for() -> None:
    assert options.hub_options({}) == {}
    assert {name: str(config.defaults()[name]) for name in options.HUB_DEFAULTS} == options.HUB_DEFAULTS


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ({"max_repo_tasks": 3}, {"MaxRepoTasks": "3"}),
        ({"max_repo_tasks": 15, "repo_tasks_limit": 15}, {"MaxRepoTasks": "15"}),
        ({"max_repo_tasks": 15}, {}),  # repo_tasks_limit is the smaller one
        ({"repo_tasks_limit": 2}, {"MaxRepoTasks": "2"}),
        ({"src": "yes"}, {"SourceTags": "*"}),
        ({"src": "no"}, {}),
        ({"kojira_options": {"source_tags": "a-*  b-*"}}, {"SourceTags": "a-* b-*"}),
        ({"src": "yes", "kojira_options": {"source_tags": "a-*"}}, {"SourceTags": "*"}),
        ({"kojira_options": {"debuginfo_tags": "d\nMaxJobs = 1"}}, {"DebuginfoTags": "d MaxJobs = 1"}),
        ({"kojira_options": {"separate_source_tags": "s"}}, {"SeparateSourceTags": "s"}),
    ],
)
def test_limits_and_patterns_become_the_hubs(spec: dict[str, Any], asked: dict[str, str]) -> None:
    assert options.hub_options(spec) == asked


@pytest.mark.parametrize(("name", "value"), [("sleeptime", "soon"), ("repo_lifetime", "1.5"), ("verbose", "maybe")])
def test_values_at_which_kojira_would_end_are_named(name: str, value: str) -> None:
    with pytest.raises(options.OptionError, match=f"{name} is '{value}'"):
        options.check(name, value, new=True)
