#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_references_info
short_description: Reads what a resource of the Koji operator refers to
description:
  - Finds the hub, the admin's certificate, the CA, the resource's own client certificate and the site's settings, in
    one pass and without writing anything.
  - What is missing or contradictory is named in RV(problem); the task itself does not fail for it.
  - The result holds private keys, so use it with C(no_log).
version_added: 0.1.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
  - fedoraproject.koji.attributes.info_module
options:
  resource:
    description: The whole resource, as the API server has it.
    type: dict
    required: true
  objects:
    description: The objects that the role writes; they must be the resource's or not exist.
    type: list
    elements: dict
    default: []
    suboptions: &object
      kind:
        description: Kind of the object.
        type: str
        required: true
      name:
        description: Name of the object.
        type: str
        required: true
  unwanted:
    description: Objects that the role would write if the resource asked for them; RV(leftover) has those that exist.
    type: list
    elements: dict
    default: []
    suboptions: *object
  kept:
    description:
      - Name of the ConfigMap that the periodic playbook runs for, which outlives resources; RV(kept) says whether it
        exists. One of that name without the playbook's label is a problem.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Read what the KojiUser refers to
  fedoraproject.koji.koji_references_info:
    resource: "{{ _apps_fedoraproject_org_kojiuser }}"
  no_log: true
  register: references
"""

RETURN = r"""
references:
  description: What was found, as far as it went.
  type: dict
  returned: always
problem:
  description: The first thing to mend; empty without one.
  type: dict
  returned: always
  contains:
    reason:
      description: What it is, in one CamelCase word.
      type: str
    message:
      description: What it is and what to do.
      type: str
    progressing:
      description: Whether it ends by itself.
      type: bool
leftover:
  description: Those of O(unwanted) that exist and are the resource's, as manifests that only name them.
  type: list
  elements: dict
  returned: always
kept:
  description: Whether the ConfigMap O(kept) exists, and is ours.
  type: bool
  returned: always
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable

# watches.yaml selects by it.
SCHEDULE_LABEL = "apps.fedoraproject.org/schedule"

OBJECTS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {"kind": {"type": "str", "required": True}, "name": {"type": "str", "required": True}},
}
ARGUMENTS: dict[str, Any] = {
    "resource": {"type": "dict", "required": True},
    "objects": OBJECTS,
    "unwanted": OBJECTS,
    "kept": {"type": "str", "default": ""},
}


def gather(api: KubeApi, params: dict[str, Any]) -> dict[str, Any]:
    """Resolve the references of a resource. -> the module's result"""
    resource = params["resource"]
    resolver = Resolver(resource, api)
    problems = []
    kept = False
    for step in (resolver.resolve, lambda: resolver.own(params["objects"])):
        try:
            step()
        except Problem as found:
            problems.append(found)
    try:
        kept = bool(params["kept"]) and resolver.keep(params["kept"], SCHEDULE_LABEL)
    except Problem as found:
        problems.append(found)
    # Where somebody else has the name, what is wrong with that one's objects is no news.
    first = next((found for found in problems if found.reason == "NameTaken"), problems[0] if problems else None)
    problem = first.as_dict() if first else {}
    return {
        "changed": False,
        "references": dataclasses.asdict(resolver.found),
        "problem": problem,
        "leftover": resolver.leftover(params["unwanted"]),
        "kept": kept,
    }


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Read, and say what is there."""
    module = make(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**gather(KubeApi(), module.params))
    except KubeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
