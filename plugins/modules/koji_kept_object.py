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
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

if TYPE_CHECKING:
    from collections.abc import Callable


KINDS = ("ConfigMap", "PersistentVolumeClaim", "Secret")
# Owns the fields that an update writes.
MANAGER = "koji-role"
ARGUMENTS: dict[str, Any] = {
    "definition": {"type": "dict", "required": True},
    "update": {"type": "bool", "default": False},
    "report_errors": {"type": "bool", "default": False},
}
# Of an object's metadata, what the API server writes by itself.
_SERVERS = frozenset({"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"})


def keep(api: KubeApi, definition: dict[str, Any], *, update: bool, check_mode: bool) -> dict[str, Any]:
    """Create the object if it is absent, else update it if that is wished. -> the module's result"""
    kind, metadata = definition["kind"], definition["metadata"]
    before = api.get(kind, metadata["namespace"], metadata["name"])
    if not update:
        if before is not None or not api.create(kind, metadata["namespace"], definition, dry_run=check_mode):
            return {"changed": False}
        return {"changed": True, "diff": differences({}, definition)}
    after = api.apply(kind, metadata["namespace"], definition, MANAGER, dry_run=check_mode)
    diff = differences(before or {}, after)
    return {"changed": diff["before"] != diff["after"], "diff": diff}


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What differs between two states of an object, as a diff that names keys and shows no values."""
    old, new = _leaves(before), _leaves(after)
    return {
        "before": {path: "a value" for path in old if path not in new or old[path] != new[path]},
        "after": {
            path: "another value" if path in old else "a value"
            for path in new
            if path not in old or old[path] != new[path]
        },
    }


def _leaves(item: dict[str, Any]) -> dict[str, Any]:
    """Values by the two last keys of their path, but what the API server writes by itself."""
    found: dict[str, Any] = {}
    for part, content in item.items():
        if part in {"apiVersion", "kind", "status"}:
            continue
        for key, value in content.items() if isinstance(content, dict) else [("", content)]:
            inner = value if part == "metadata" and isinstance(value, dict) else {"": value}
            if key not in _SERVERS:
                found.update({".".join(filter(None, (part, key, name))): its for name, its in inner.items()})
    return found


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
        if metadata.get("resourceVersion") and error.status in {404, 409}:
            module.exit_json(changed=False, conflict=True)
        # Without an answer there is nothing to say of the definition.
        if not module.params["report_errors"] or not 400 <= error.status < 500:
            module.fail_json(msg=message)
        result = {"changed": False, "error": {"reason": "Refused", "message": message}}
    module.exit_json(conflict=False, **{"error": {}, **result} if module.params["report_errors"] else result)


if __name__ == "__main__":
    main()
