# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The documentation of the hub's modules says what the code does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.fedoraproject.koji.plugins.doc_fragments import attributes, hub
from ansible_collections.fedoraproject.koji.plugins.module_utils.arguments import HUB_ARGUMENTS, LOGIN_ARGUMENTS
from ansible_collections.fedoraproject.koji.plugins.modules import koji_host, koji_host_info, koji_user, koji_user_info

if TYPE_CHECKING:
    from types import ModuleType

FRAGMENTS = {
    "fedoraproject.koji.attributes": attributes.ModuleDocFragment.DOCUMENTATION,
    "fedoraproject.koji.attributes.info_module": attributes.ModuleDocFragment.INFO_MODULE,
    "fedoraproject.koji.hub": hub.ModuleDocFragment.DOCUMENTATION,
    "fedoraproject.koji.hub.login": hub.ModuleDocFragment.LOGIN,
}
MODULES = [koji_user, koji_host, koji_user_info, koji_host_info]


def options_of(module: ModuleType) -> dict[str, Any]:
    """The documented options, those of the fragments included."""
    documentation = yaml.safe_load(module.DOCUMENTATION)
    options = dict(documentation["options"])
    for fragment in documentation["extends_documentation_fragment"]:
        options.update(yaml.safe_load(FRAGMENTS[fragment]).get("options") or {})
    return options


@pytest.mark.parametrize("module", MODULES)
def test_options_are_documented_as_they_are(module: ModuleType) -> None:
    login = LOGIN_ARGUMENTS if not module.__name__.endswith("_info") else {}
    real = {**HUB_ARGUMENTS, **login, **module.ARGUMENTS}
    said = options_of(module)
    assert said.keys() == real.keys()
    for name, option in real.items():
        for field in ("type", "default", "choices", "elements", "required"):
            assert said[name].get(field) == option.get(field), f"{name}: {field}"


@pytest.mark.parametrize("module", MODULES)
def test_examples_use_options_that_are_there(module: ModuleType) -> None:
    name = "fedoraproject.koji." + module.__name__.rpartition(".")[2]
    tasks = [task for task in yaml.safe_load(module.EXAMPLES) if name in task]
    assert tasks
    for task in tasks:
        assert task[name].keys() <= options_of(module).keys()
        assert {option for option, spec in options_of(module).items() if spec.get("required")} <= task[name].keys()
