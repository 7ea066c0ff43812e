#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_kept_object
short_description: Creates an object that outlives the resource it is made for
description:
  - Creates the object if it is absent, and leaves one that exists as it is.
  - Talks to the API server directly. What is created through the proxy of the operator's runtime gets the resource as
    owner, and would be deleted with it.
version_added: 0.1.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  definition:
    description: The object, with C(kind) (ConfigMap or Secret), C(metadata.name) and C(metadata.namespace).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Make the ConfigMap that the periodic playbook runs for
  fedoraproject.koji.koji_kept_object:
    definition:
      apiVersion: v1
      kind: ConfigMap
      metadata:
        name: koji-schedule
        namespace: koji
        labels:
          apps.fedoraproject.org/schedule: "true"
"""

RETURN = r"""# """

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

if TYPE_CHECKING:
    from collections.abc import Callable


def keep(api: KubeApi, definition: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Create the object if it is absent. -> the module's result"""
    kind, metadata = definition["kind"], definition["metadata"]
    if api.get(kind, metadata["namespace"], metadata["name"]) is not None:
        return {"changed": False}
    changed = api.create(kind, metadata["namespace"], definition, dry_run=check_mode)
    # No values: a Secret's would be in the output.
    after = {"kind": kind, "metadata": metadata}
    return {"changed": changed, "diff": {"before": {}, "after": after if changed else {}}}


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Create it, or say why not."""
    module = make(argument_spec={"definition": {"type": "dict", "required": True}}, supports_check_mode=True)
    definition = module.params["definition"]
    metadata = definition.get("metadata") or {}
    if (
        definition.get("kind") not in ("ConfigMap", "Secret")
        or not metadata.get("name")
        or not metadata.get("namespace")
    ):
        module.fail_json(msg="definition: wanted is a ConfigMap or Secret with metadata.name and metadata.namespace")
    try:
        module.exit_json(**keep(KubeApi(), definition, check_mode=module.check_mode))
    except KubeError as error:
        module.fail_json(msg=f"{definition['kind']} {metadata['name']}: {error}")


if __name__ == "__main__":
    main()
