#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_host
short_description: Keeps a host of a Koji hub as it should be
version_added: 0.1.0
description:
  - Adds a host, with the hub user of the same name, and keeps its arches, channels, capacity and texts.
  - Or disables it; Koji can't delete hosts.
  - The hub is read anonymously. The module logs in only when something is to be changed, and logs out again.
  - What the hub does not know, such as a channel of that name, or refuses one by one, does not hold up the rest.
    The module brings the rest in line and then fails, naming what is left.
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
    description: Name of the host, and of its user when the host is added. Koji can't rename hosts.
    type: str
    required: true
  state:
    description:
      - V(present) makes sure that the host exists and is as the other options say.
      - V(disabled) makes sure that the host, if it exists, gets no tasks.
        Nothing else of it is changed, and none is added.
    type: str
    choices: [present, disabled]
    default: present
  enabled:
    description:
      - Whether the host gets tasks, with O(state=present).
      - When V(true), the host's user is enabled as well; it could not log in otherwise.
      - When it is not given, a new host gets tasks, and one that is there is left as it is. A host whose user is
        disabled too, as O(disable_user) leaves it, is enabled with its user.
    type: bool
  arches:
    description:
      - The architectures of the tasks that the host takes, in any order.
      - Required for a host that does not exist yet. Without it, the arches of an existing host are left as they are.
    type: list
    elements: str
  channels:
    description:
      - The channels that the host takes tasks from. It leaves all others.
      - Without this option, channels are left as they are; Koji subscribes a new host to V(default).
    type: list
    elements: str
  capacity:
    description: The weight of tasks that the host takes at a time; above 1. Koji gives a new host 2.
    type: float
  description:
    description: What the host is, for people.
    type: str
  comment:
    description: Notes about the host, for people.
    type: str
  more_krb_principals:
    description: Kerberos principals that the host's user has, beside others that it has.
    type: list
    elements: str
    default: []
    version_added: 0.4.0
  convert_user:
    description:
      - Turn a normal user of this name into the host's. There is no way back.
      - Without it, a normal user of this name is an error with the reason V(UserExists).
    type: bool
    default: false
  disable_user:
    description:
      - With O(state=disabled), disable the host's user as well; its sessions and those of its tasks end at once.
    type: bool
    default: false
  free_tasks:
    description:
      - With O(state=disabled), give tasks that are assigned to the host or open there back to the hub.
      - Nobody may work on them any more. O(disable_user=true), which is done first, makes sure of that.
    type: bool
    default: false
seealso:
  - module: fedoraproject.koji.koji_host_info
  - module: fedoraproject.koji.koji_user
"""

EXAMPLES = r"""
- name: A builder for two architectures
  fedoraproject.koji.koji_host:
    hub_url: https://koji-hub:8443/kojihub
    ca_cert_path: /etc/koji/ca.crt
    client_cert_path: /etc/koji/admin.pem
    name: builder1.example.org
    arches:
      - x86_64
      - i686
    channels:
      - default
      - createrepo
    capacity: 12
    description: Rack 4, shelf 2

- name: No more tasks for it, and no login
  fedoraproject.koji.koji_host:
    hub_url: https://koji-hub:8443/kojihub
    ca_cert_content: "{{ hub_ca }}"
    client_cert_content: "{{ admin_certificate }}{{ admin_key }}"
    name: builder1.example.org
    state: disabled
    disable_user: true
    free_tasks: true
"""

RETURN = r"""
host:
  description:
    - The host as it is now, or would be in check mode.
    - Empty when it does not exist and none is wanted, or when nothing could be read.
  type: dict
  returned: always
  contains:
    name:
      description: Its name.
      type: str
    enabled:
      description: Whether it gets tasks.
      type: bool
    arches:
      description: Its architectures, sorted.
      type: list
      elements: str
    channels:
      description: Its channels, sorted.
      type: list
      elements: str
    capacity:
      description: The weight of tasks that it takes.
      type: float
    description:
      description: What it is.
      type: str
    comment:
      description: Notes about it.
      type: str
    user_type:
      description: What its user is; V(host).
      type: str
    user_enabled:
      description: Whether its user may log in.
      type: bool
    krb_principals:
      description: The Kerberos principals of its user, sorted.
      type: list
      elements: str
    tasks:
      description: Tasks that are assigned to it or open there; only with O(free_tasks=true).
      type: list
      elements: int
  sample:
    arches: [i686, x86_64]
    capacity: 12.0
    channels: [createrepo, default]
    comment: ''
    description: Rack 4, shelf 2
    enabled: true
    krb_principals: []
    name: builder1.example.org
    user_enabled: true
    user_type: host
host_id:
  description: Its number on the hub. Null when it is not there.
  type: int
  returned: always
user_id:
  description: The number of its user on the hub. Null when it is not there.
  type: int
  returned: always
unknown_channels:
  description: Those of O(channels) that the hub does not know.
  type: list
  elements: str
  returned: always
reason:
  description: Why the module failed, in one CamelCase word, such as V(UserExists), V(UnknownChannel).
  type: str
  returned: failure
  sample: UnknownChannel
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
    from ansible_collections.fedoraproject.koji.plugins.module_utils.hosts import WantedHost, ensure_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import SessionPair

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "disabled"], "default": "present"},
    "enabled": {"type": "bool"},
    "arches": {"type": "list", "elements": "str"},
    "channels": {"type": "list", "elements": "str"},
    "capacity": {"type": "float"},
    "description": {"type": "str"},
    "comment": {"type": "str"},
    "convert_user": {"type": "bool", "default": False},
    "disable_user": {"type": "bool", "default": False},
    "free_tasks": {"type": "bool", "default": False},
    "more_krb_principals": {"type": "list", "elements": "str", "default": []},
}


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Bring the host in line."""
    module = hub_module(ARGUMENTS, login=True, make=make)

    def work(sessions: SessionPair) -> dict[str, Any]:
        params = {name: module.params[name] for name in ARGUMENTS}
        arches, channels = params.pop("arches"), params.pop("channels")
        principals = params.pop("more_krb_principals")
        wanted = WantedHost(
            **params,
            principals=frozenset(principals),
            arches=None if arches is None else tuple(arches),
            channels=None if channels is None else frozenset(channels),
        )
        result = ensure_host(sessions, wanted, check_mode=module.check_mode)
        return {
            **as_module_result(module, result, f"host {wanted.name}"),
            "host": result.after,
            "host_id": result.item.id if result.item else None,
            "user_id": result.item.user_id if result.item else None,
            "unknown_channels": result.names_of("UnknownChannel"),
        }

    run(module, work, empty={"host": {}, "host_id": None, "user_id": None, "unknown_channels": []})


if __name__ == "__main__":
    main()
