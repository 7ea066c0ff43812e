# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Templates of role koji_hub, rendered as Ansible renders them, from what its module finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

ROLE = Path(__file__).resolve().parents[3] / "roles/koji_hub"
_loaded: list[bool] = []


def rendered(template: str, resource: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The manifest that a template makes for a KojiHub of which module koji_hub_info found this."""
    if not _loaded:  # Ansible warns of a second time
        init_plugin_loader()
        _loaded.append(True)
    variables = {
        "ansible_search_path": [str(ROLE)],
        "koji_hub_resource": resource,
        "koji_hub_spec": resource["spec"],
        "koji_hub_names": found["names"],
        "koji_hub_found": found,
    }
    text = Templar(DataLoader(), variables).template(f"{{{{ lookup('ansible.builtin.template', '{template}') }}}}")
    manifest: dict[str, Any] = yaml.safe_load(text) if isinstance(text, str) else text
    return manifest
