#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_host_info
short_description: Reads a host of a Koji hub
version_added: 0.1.0
description:
  - Returns what the hub knows about a host. It does not log in.
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
  - fedoraproject.koji.attributes.info_module
  - fedoraproject.koji.hub
options:
  name:
    description: Name of the host.
    type: str
    required: true
seealso:
  - module: fedoraproject.koji.koji_host
"""

EXAMPLES = r"""
- name: Ask about a host
  fedoraproject.koji.koji_host_info:
    hub_url: https://koji-hub:8443/kojihub
    ca_cert_path: /etc/koji/ca.crt
    name: builder1.example.org
  register: builder1

- name: Show when it has last checked in
  ansible.builtin.debug:
    msg: "{{ '%Y-%m-%d %H:%M' | ansible.builtin.strftime(builder1.last_check_in) }}"
  when: builder1.last_check_in
"""

RETURN = r"""
exists:
  description: Whether there is such a host.
  type: bool
  returned: always
host:
  description: The host. Empty when there is none.
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
  sample:
    arches: [x86_64]
    capacity: 2.0
    channels: [default]
    comment: ''
    description: ''
    enabled: true
    krb_principals: []
    name: builder1.example.org
    user_enabled: true
    user_type: host
host_id:
  description: Its number on the hub. Null when there is none.
  type: int
  returned: always
user_id:
  description: The number of its user on the hub. Null when there is none.
  type: int
  returned: always
ready:
  description: Whether it said at its last check-in that it takes tasks.
  type: bool
  returned: always
last_check_in:
  description: When it has last checked in, in seconds since the epoch. Null when it never has.
  type: float
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
    from ansible_collections.fedoraproject.koji.plugins.module_utils.hosts import find_host

if TYPE_CHECKING:
    from ansible_collections.fedoraproject.koji.plugins.module_utils.hub import SessionPair

ARGUMENTS: dict[str, dict[str, Any]] = {"name": {"type": "str", "required": True}}
NOTHING = {"exists": False, "host": {}, "host_id": None, "user_id": None, "ready": False, "last_check_in": None}


def main() -> None:
    """Read the host."""
    module = hub_module(ARGUMENTS, login=False)

    def work(sessions: SessionPair) -> dict[str, Any]:
        host = find_host(sessions, module.params["name"])
        if host is None:
            return {"changed": False, **NOTHING}
        return {
            "changed": False,
            "exists": True,
            "host": host.as_dict(),
            "host_id": host.id,
            "user_id": host.user_id,
            "ready": host.ready,
            "last_check_in": host.last_check_in,
        }

    run(module, work, empty=NOTHING)


if __name__ == "__main__":
    main()
