#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_status
short_description: Writes the status of a resource of the Koji operator
description:
  - Writes C(conditions), C(observedGeneration) and other fields to the status subresource by server-side apply, so that
    writers with other field managers keep theirs.
  - An unchanged status is not written. When the condition V(Ready) changes, an event on the resource says so.
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
  kind:
    description: Kind of the resource.
    type: str
    required: true
    choices: [KojiHub, KojiWeb, Kojira, KojiBuilder, KojiUser]
  name:
    description: Name of the resource.
    type: str
    required: true
  namespace:
    description: Namespace of the resource.
    type: str
    required: true
  ready:
    description: Whether the resource does what it is for.
    type: bool
    required: true
  progressing:
    description: Whether it is on its way there by itself. Neither ready nor progressing is degraded.
    type: bool
    default: false
  reason:
    description: Why, in one CamelCase word.
    type: str
    required: true
  message:
    description: Why, in a sentence that a person can act on.
    type: str
    default: ''
  warnings:
    description: What is accepted but should be changed; becomes the condition V(Warning).
    type: list
    elements: dict
    default: []
    suboptions:
      reason:
        description: Why, in one CamelCase word.
        type: str
        required: true
      message:
        description: What is wrong and what to do.
        type: str
        required: true
  conditions:
    description: Further conditions of this kind of resource; those that are not given are taken away.
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description: Which one.
        type: str
        required: true
        choices: [DatabaseReady, CertificatesValid, HubReachable]
      status:
        description: Whether it holds.
        type: bool
        required: true
      reason:
        description: Why, in one CamelCase word.
        type: str
        required: true
      message:
        description: Why, in a sentence that a person can act on.
        type: str
        default: ''
  fields:
    description: Further fields of the status. One whose value is empty is left out.
    type: dict
    default: {}
  generation:
    description: C(metadata.generation) of the resource that was brought in line.
    type: int
    required: true
  field_manager:
    description: Who writes.
    type: str
    default: koji-role
"""

EXAMPLES = r"""
- name: Say that the user is ready
  fedoraproject.koji.koji_status:
    kind: KojiUser
    name: kojira
    namespace: koji
    generation: 1
    ready: true
    reason: InLine
    fields:
      user_id: 7
"""

RETURN = r"""
status:
  description: The status as this writer wants it.
  type: dict
  returned: when the resource exists
retry_after:
  description:
    - When to look again at a resource that is not ready, later the longer it has been so, and soon when something else
      than before is wrong; else empty.
  type: str
  returned: always
  sample: 15s
event:
  description: Whether an event was written.
  type: bool
  returned: always
"""

import datetime
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.conditions import (
    Condition,
    Outcome,
    rendered,
    summary,
    unchanged,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.events import event
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

# Conditions that some roles write beside the usual ones.
FURTHER = ["DatabaseReady", "CertificatesValid", "HubReachable"]
ARGUMENTS: dict[str, Any] = {
    "kind": {"type": "str", "required": True, "choices": ["KojiHub", "KojiWeb", "Kojira", "KojiBuilder", "KojiUser"]},
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "ready": {"type": "bool", "required": True},
    "progressing": {"type": "bool", "default": False},
    "reason": {"type": "str", "required": True},
    "message": {"type": "str", "default": ""},
    "warnings": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"reason": {"type": "str", "required": True}, "message": {"type": "str", "required": True}},
    },
    "conditions": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "type": {
                "type": "str",
                "required": True,
                "choices": ["DatabaseReady", "CertificatesValid", "HubReachable"],
            },
            "status": {"type": "bool", "required": True},
            "reason": {"type": "str", "required": True},
            "message": {"type": "str", "default": ""},
        },
    },
    "fields": {"type": "dict", "default": {}},
    "generation": {"type": "int", "required": True},
    "field_manager": {"type": "str", "default": "koji-role"},
}


# Seconds. What comes right by itself is looked at soon; what a person has to mend takes at least a moment.
RETRY_PROGRESSING, RETRY_DEGRADED, RETRY_MAX = 5, 20, 300
# What a role says of its resource; other writers have conditions of their own.
OWN_CONDITIONS = ("Ready", "Progressing", "Degraded", "Warning", *FURTHER)


def wanted_conditions(params: dict[str, Any]) -> list[Condition]:
    """The conditions that the arguments ask for."""
    conditions = summary(Outcome(params["ready"], params["progressing"], params["reason"], params["message"]))
    conditions += [Condition(**condition) for condition in params["conditions"]]
    if params["warnings"]:
        first = params["warnings"][0]
        conditions.append(
            Condition("Warning", True, first["reason"], "; ".join(w["message"] for w in params["warnings"]))
        )
    return conditions


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Read the status, and write it if it says something else."""
    module = make(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**bring_in_line(KubeApi(), module.params, check_mode=module.check_mode))
    except KubeError as error:
        module.fail_json(msg=f"status of {module.params['kind']} {module.params['name']}: {error}")


def bring_in_line(api: KubeApi, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Write the status that the arguments ask for, unless it says so already. -> the module's result"""
    where = (params["kind"], params["namespace"], params["name"])
    resource = api.get(*where)
    if resource is None:
        return {"changed": False, "event": False, "retry_after": ""}
    current = resource.get("status") or {}
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = rendered(wanted_conditions(params), current.get("conditions", []), params["generation"], now)
    fields = {name: value for name, value in params["fields"].items() if value not in (None, "", [], {})}
    status = {**fields, "observedGeneration": params["generation"], "conditions": conditions}
    again = retry_after(current.get("conditions", []), conditions, now)
    result = {"changed": False, "event": False, "status": status, "retry_after": again}
    if unchanged(current, status, {*params["fields"], "observedGeneration"}, own_conditions=OWN_CONDITIONS):
        return result
    says_something_new = ready_reason(current.get("conditions", [])) != ready_reason(conditions)
    if not check_mode:
        manifest = {"apiVersion": API_VERSION, "kind": params["kind"], "status": status}
        manifest["metadata"] = {"name": params["name"], "namespace": params["namespace"]}
        try:
            api.apply_status(*where, manifest, params["field_manager"])
        except KubeError as error:
            if error.status == 404:  # deleted since it was read
                return {"changed": False, "event": False, "retry_after": ""}
            raise
        if says_something_new:
            kind = "Normal" if params["ready"] or params["progressing"] else "Warning"
            note = event({**resource, "kind": params["kind"]}, kind, params["reason"], params["message"], now)
            try:
                api.create("Event", params["namespace"], note)
            except KubeError as error:
                # The status says it already. 403: a namespace that is being deleted, or is full, takes no new objects.
                if error.status not in (403, 404):
                    raise
                says_something_new = False
    diff = {"before": current, "after": status}
    return {**result, "changed": True, "event": says_something_new, "diff": diff}


def ready_reason(conditions: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Status and reason of the condition Ready: what an event is worth writing about."""
    return next(((c["status"], c["reason"]) for c in conditions if c["type"] == "Ready"), None)


def retry_after(before: list[dict[str, Any]], conditions: list[dict[str, Any]], now: str) -> str:
    """Half the time that it has not been ready, within limits: a run costs seconds of CPU.

    Soon, if another problem than before keeps it from that: somebody is at work on it.
    """
    by_type = {condition["type"]: condition for condition in conditions}
    ready = by_type["Ready"]
    if ready["status"] == "True":
        return ""
    old = next((condition for condition in before if condition["type"] == "Ready"), {})
    is_new = (old.get("reason"), old.get("message")) != (ready["reason"], ready["message"])
    since = datetime.datetime.fromisoformat(now if is_new else ready["lastTransitionTime"])
    age = int((datetime.datetime.fromisoformat(now) - since).total_seconds())
    least = RETRY_PROGRESSING if by_type["Progressing"]["status"] == "True" else RETRY_DEGRADED
    return f"{min(max(age // 2, least), RETRY_MAX)}s"


if __name__ == "__main__":
    main()
