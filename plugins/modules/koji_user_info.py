#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_user_info
short_description: Reads a user of a Koji hub
version_added: 0.1.0
description:
  - Returns what the hub knows about a user. It does not log in.
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
  - fedoraproject.koji.attributes.info_module
  - fedoraproject.koji.hub
options:
  name:
    description: Name of the user.
    type: str
    required: true
seealso:
  - module: fedoraproject.koji.koji_user
"""

EXAMPLES = r"""
- name: Ask about a user
  fedoraproject.koji.koji_user_info:
    hub_url: https://koji-hub:8443/kojihub
    ca_cert_path: /etc/koji/ca.crt
    name: kojira
  register: kojira

- name: Insist that it may make repos
  ansible.builtin.assert:
    that: kojira.exists and 'repo' in kojira.user.permissions
"""

RETURN = r"""
exists:
  description: Whether there is such a user.
  type: bool
  returned: always
user:
  description: The user. Empty when there is none.
  type: dict
  returned: always
  contains:
    name:
      description: Its name.
      type: str
    type:
      description: V(normal), V(host) for the user of a host, or V(group).
      type: str
    enabled:
      description: Whether it may log in.
      type: bool
    permissions:
      description: Its own permissions, sorted; not those of its groups.
      type: list
      elements: str
    krb_principals:
      description: Its Kerberos principals, sorted.
      type: list
      elements: str
  sample:
    enabled: true
    krb_principals: []
    name: kojira
    permissions: [repo]
    type: normal
user_id:
  description: Its number on the hub. Null when there is none.
  type: int
  returned: always
reason:
  description: Why the module failed, in one CamelCase word, such as V(HubUnreachable), V(CaMismatch).
  type: str
  returned: failure
error:
  description: What is wrong. Null when the hub has answered.
  type: dict
  returned: always
  contains:
    reason:
      description: The same as RV(reason).
      type: str
    message:
      description: What is wrong, where, and what to do.
      type: str
"""

import contextlib
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.arguments import hub_module, run

with contextlib.suppress(ImportError):  # hub_module says so when koji is missing
    from ansible_collections.fedoraproject.koji.plugins.module_utils.users import find_user

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import SessionPair

ARGUMENTS: dict[str, dict[str, Any]] = {"name": {"type": "str", "required": True}}


def main() -> None:
    """Read the user."""
    module = hub_module(ARGUMENTS, login=False)

    def work(sessions: SessionPair) -> dict[str, Any]:
        user = find_user(sessions, module.params["name"])
        return {
            "changed": False,
            "exists": user is not None,
            "user": user.as_dict() if user else {},
            "user_id": user.id if user else None,
        }

    run(module, work, empty={"exists": False, "user": {}, "user_id": None})


if __name__ == "__main__":
    main()
