#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_finalize
short_description: Decides whether a resource that is being deleted may go
description:
  - A run that is not finished is asked for again with RV(retry_after), which keeps the finalizer.
  - When the hub can't be told any more (it or the admin Secret is gone, the namespace ends, or O(timeout) has passed),
    an event on the resource says what was left behind, and it may go.
version_added: 0.1.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing but for an event.
  idempotent:
    support: full
options:
  resource:
    description: The whole resource, as the API server has it.
    type: dict
    required: true
  error:
    description: Why it could not be finished, with C(reason) and C(message). Empty if nothing went wrong.
    type: dict
    default: {}
  waiting_for:
    description: What still has to end, for example task pods. Empty if nothing.
    type: str
    default: ''
  left_behind:
    description: What stays on the hub if it is given up.
    type: str
    required: true
  timeout:
    description: Seconds since the deletion after which it is given up.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Decide whether the KojiUser may go
  fedoraproject.koji.koji_finalize:
    resource: "{{ koji_user_resource }}"
    error: "{{ koji_user_result.error | default({}, true) }}"
    left_behind: hub user 'kojira' stays enabled
  register: finalize
"""

RETURN = r"""
done:
  description: Whether the finalizer may be removed.
  type: bool
  returned: always
retry_after:
  description: When to try again; empty when done.
  type: str
  returned: always
  sample: 10s
"""

import datetime
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.events import event
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_AFTER = "5s"
# With these nobody can tell the hub anything, or nobody can tell which hub, now or later.
HOPELESS = frozenset(
    {
        "ConflictingFields",
        "HubGone",
        "InvalidHubAddress",
        "MissingSecret",
        "MissingSecretKey",
        "SeveralHubs",
    }
)


def age(resource: dict[str, Any], now: datetime.datetime) -> float:
    """Seconds since the resource was deleted."""
    since = resource["metadata"].get("deletionTimestamp")
    return (now - datetime.datetime.fromisoformat(since)).total_seconds() if since else 0.0


def given_up(api: KubeApi, params: dict[str, Any], now: datetime.datetime) -> str:
    """Why it is no use to go on trying; '' if it is."""
    error = params["error"]
    if error and error["reason"] in HOPELESS:
        return str(error["message"])
    if api.namespace_ends(params["resource"]["metadata"]["namespace"]):
        return "the namespace is being deleted"
    if age(params["resource"], now) > params["timeout"]:
        return f"{error['message'] if error else params['waiting_for']} (given up after {params['timeout']} s)"
    return ""


def decide(api: KubeApi, params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Whether the resource may go. -> the module's result"""
    if not params["error"] and not params["waiting_for"]:
        return {"changed": False, "done": True, "retry_after": ""}
    now = datetime.datetime.now(datetime.UTC)
    why = given_up(api, params, now)
    if not why:
        return {"changed": False, "done": False, "retry_after": RETRY_AFTER}
    if not check_mode:
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        message = f"{params['left_behind']}: {why}"
        note = event(params["resource"], "Warning", "LeftBehind", message, stamp)
        try:
            api.create("Event", params["resource"]["metadata"]["namespace"], note)
        except KubeError as error:
            # 403: a namespace that is being deleted takes no new objects.
            if error.status not in (403, 404):
                raise
    return {"changed": True, "done": True, "retry_after": ""}


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Decide, and say what was left behind."""
    module = make(
        argument_spec={
            "resource": {"type": "dict", "required": True},
            "error": {"type": "dict", "default": {}},
            "waiting_for": {"type": "str", "default": ""},
            "left_behind": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**decide(KubeApi(), module.params, check_mode=module.check_mode))
    except KubeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
