# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What role koji_pod's macros give is JSON, whatever is in it: Ansible would read it as Python and write it as such."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.unsafe_proxy import wrap_var

TEMPLATES = Path(__file__).parents[3] / "roles/koji_pod/templates"
HOSTILE = 'it\'s "x"\n  evil: [1]\n---\n{{ 7 * 7 }}\u2028%'
CALLS = {
    "environment": "pod.environment(spec, [])",
    "security": "pod.security(spec)",
    "probe": "pod.probe({}, 'liveness', {'exec': {'command': [text]}}, {'periodSeconds': 1})",
}


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    """Once a process, as the command line does; another test may have done it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        init_plugin_loader()


def rendered(folder: Path, call: str, **variables: Any) -> str:
    """As a role's template has it: the lookup is not the same as a template in a task."""
    (folder / "_pod.j2").write_text((TEMPLATES / "_pod.j2").read_text("utf-8"), "utf-8")
    (folder / "it.j2").write_text(f"{{% import '_pod.j2' as pod %}}\nvalue: {{{{ {call} }}}}\n", "utf-8")
    templar = Templar(DataLoader(), variables={name: wrap_var(value) for name, value in variables.items()})
    text: str = templar.template(f"{{{{ lookup('ansible.builtin.template', '{folder}/it.j2') }}}}", convert_data=False)
    return text


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_a_hostile_string_is_the_value_that_it_was(tmp_path: Path, call: str) -> None:
    spec = {"env": [{"name": "TEXT", "value": HOSTILE}], "security_context": {"seLinuxOptions": {"user": HOSTILE}}}
    text = rendered(tmp_path, call, spec=spec, text=HOSTILE)
    assert json.loads(text.removeprefix("value:"))
    assert HOSTILE in _strings(yaml.safe_load(text))


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for child in value.values() for text in _strings(child)]
    if isinstance(value, list):
        return [text for child in value for text in _strings(child)]
    return [str(value)]
