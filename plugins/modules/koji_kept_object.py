#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_kept_object
short_description: Keeps an object that outlives the resource it is made for
description:
  - Creates the object if it is absent. One that exists is left as it is, or with O(update) brought in line by a
    server-side apply.
  - Talks to the API server directly. What is created through the proxy of the operator's runtime gets the resource as
    owner, and would be deleted with it.
  - With C(metadata.resourceVersion) in O(definition) an object that somebody has changed or deleted meanwhile is not
    written, as RV(conflict) says.
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
    details:
      - The diff names what is different, without values, since a Secret's would be among them.
  idempotent:
    support: full
options:
  definition:
    description: >-
      The object, with C(kind) (ConfigMap, PersistentVolumeClaim or Secret), C(metadata.name) and C(metadata.namespace).
    type: dict
    required: true
  update:
    description: Bring an object that exists in line with O(definition).
    type: bool
    default: false
  report_errors:
    description: >-
      Return what the API server says of a definition that it does not take, in RV(error), rather than fail.
    type: bool
    default: false
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

- name: Put a renewed certificate into its Secret
  fedoraproject.koji.koji_kept_object:
    definition: "{{ lookup('ansible.builtin.template', 'certificate.secret.yaml.j2') | from_yaml }}"
    update: true
  no_log: true
"""

RETURN = r"""
conflict:
  description: Whether the object is not that of C(metadata.resourceVersion) any more. Look at it again.
  type: bool
  returned: always
error:
  description: Why the object was not written; empty if nothing went wrong.
  type: dict
  returned: with O(report_errors)
  contains:
    reason:
      description: What it is, in one CamelCase word.
      type: str
    message:
      description: The object, and what the API server said.
      type: str
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.kept import is_conflict, keep
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

if TYPE_CHECKING:
    from collections.abc import Callable


KINDS = ("ConfigMap", "PersistentVolumeClaim", "Secret")
ARGUMENTS: dict[str, Any] = {
    "definition": {"type": "dict", "required": True},
    "update": {"type": "bool", "default": False},
    "report_errors": {"type": "bool", "default": False},
}


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Keep it, or say why not."""
    module = make(argument_spec=ARGUMENTS, supports_check_mode=True)
    definition = module.params["definition"]
    metadata = definition.get("metadata") or {}
    if definition.get("kind") not in KINDS or not metadata.get("name") or not metadata.get("namespace"):
        module.fail_json(msg=f"definition: wanted is a {' or '.join(KINDS)} with metadata.name and metadata.namespace")
    try:
        result = keep(KubeApi(), definition, update=module.params["update"], check_mode=module.check_mode)
    except KubeError as error:
        message = f"{definition['kind']} {metadata['name']}: {error}"
        if is_conflict(definition, error):
            module.exit_json(changed=False, conflict=True)
        # Without an answer there is nothing to say of the definition.
        if not module.params["report_errors"] or not 400 <= error.status < 500:
            module.fail_json(msg=message)
        result = {"changed": False, "error": {"reason": "Refused", "message": message}}
    module.exit_json(conflict=False, **{"error": {}, **result} if module.params["report_errors"] else result)


if __name__ == "__main__":
    main()
