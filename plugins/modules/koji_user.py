#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_user
short_description: Keeps a user of a Koji hub as it should be
version_added: 0.1.0
description:
  - Creates a user, gives it exactly the permissions and Kerberos principals that are named, and enables it.
  - Or disables it; Koji can't delete users.
  - The hub is read anonymously. The module logs in only when something is to be changed, and logs out again.
  - What the hub does not know, such as a permission of that name, or refuses one by one, does not hold up the rest.
    The module brings the rest in line and then fails, naming what is left.
  - The user who is logged in for this can't be disabled, and can't lose the permission V(admin).
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
  - fedoraproject.koji.hub
  - fedoraproject.koji.hub.login
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description: Name of the user.
    type: str
    required: true
  state:
    description:
      - V(present) makes sure that the user exists and is enabled.
      - V(disabled) makes sure that the user, if it exists, can't log in; its sessions end at once.
        Nothing else of it is changed, and none is created.
    type: str
    choices: [present, disabled]
    default: present
  permissions:
    description:
      - The permissions that the user has. Others are revoked, unless O(append=true).
      - Permissions that the user has through a group are none of the module's business.
      - Without this option, permissions are left as they are; an empty list revokes all.
    type: list
    elements: str
  krb_principals:
    description:
      - The Kerberos principals that the user has. Others are removed, unless O(append=true).
      - Without this option, principals are left as they are; an empty list removes all.
    type: list
    elements: str
  more_krb_principals:
    description:
      - Kerberos principals that the user has in any case.
      - They are added to those of O(krb_principals) or, without that option, to those that the user has.
    type: list
    elements: str
    default: []
    version_added: 0.4.0
  append:
    description: Only add permissions and principals, never take one away.
    type: bool
    default: false
seealso:
  - module: fedoraproject.koji.koji_user_info
  - module: fedoraproject.koji.koji_host
"""

EXAMPLES = r"""
- name: Kojira may make repos, and nothing else
  fedoraproject.koji.koji_user:
    hub_url: https://koji-hub:8443/kojihub
    ca_cert_path: /etc/koji/ca.crt
    client_cert_path: /etc/koji/admin.pem
    name: kojira
    permissions:
      - repo

- name: The same certificates, from variables
  fedoraproject.koji.koji_user:
    hub_url: https://koji-hub:8443/kojihub
    ca_cert_content: "{{ hub_ca }}"
    client_cert_content: "{{ admin_certificate }}{{ admin_key }}"
    name: kojira
    permissions:
      - repo
    krb_principals:
      - kojira/builds.example.org@EXAMPLE.ORG

- name: Someone who left
  fedoraproject.koji.koji_user:
    hub_url: https://koji-hub:8443/kojihub
    ca_cert_path: /etc/koji/ca.crt
    client_cert_path: /etc/koji/admin.pem
    name: gone
    state: disabled
"""

RETURN = r"""
user:
  description:
    - The user as it is now, or would be in check mode.
    - Empty when it does not exist and none is wanted, or when nothing could be read.
  type: dict
  returned: always
  contains:
    name:
      description: Its name.
      type: str
    type:
      description: V(normal), or V(host) for the user of a host.
      type: str
    enabled:
      description: Whether it may log in.
      type: bool
    permissions:
      description: Its own permissions, sorted.
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
  description: Its number on the hub. Null when it is not there.
  type: int
  returned: always
unknown_permissions:
  description: Those of O(permissions) that the hub does not know.
  type: list
  elements: str
  returned: always
reason:
  description: Why the module failed, in one CamelCase word, such as V(HubUnreachable), V(CaMismatch), V(AccessDenied).
  type: str
  returned: failure
  sample: UnknownPermission
error:
  description: What is wrong. Null when all is in line.
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.arguments import as_module_result, hub_module, run

with contextlib.suppress(ImportError):  # hub_module says so when koji is missing
    from ansible_collections.fedoraproject.koji.plugins.module_utils.users import WantedUser, ensure_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import SessionPair

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "disabled"], "default": "present"},
    "permissions": {"type": "list", "elements": "str"},
    "krb_principals": {"type": "list", "elements": "str"},
    "more_krb_principals": {"type": "list", "elements": "str", "default": []},
    "append": {"type": "bool", "default": False},
}


def _set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Bring the user in line."""
    module = hub_module(ARGUMENTS, login=True, make=make)
    params = module.params

    def work(sessions: SessionPair) -> dict[str, Any]:
        wanted = WantedUser(
            name=params["name"],
            enabled=params["state"] == "present",
            permissions=_set(params["permissions"]),
            krb_principals=_set(params["krb_principals"]),
            append=params["append"],
            more_principals=frozenset(params["more_krb_principals"]),
        )
        result = ensure_user(sessions, wanted, check_mode=module.check_mode)
        return {
            **as_module_result(module, result, f"user {wanted.name}"),
            "user": result.after,
            "user_id": result.item.id if result.item else None,
            "unknown_permissions": result.names_of("UnknownPermission"),
        }

    run(module, work, empty={"user": {}, "user_id": None, "unknown_permissions": []})


if __name__ == "__main__":
    main()
