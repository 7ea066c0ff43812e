#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Documentation alone: the action plugin of this name does the work.

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_k8s
short_description: Does what kubernetes.core.k8s does, in Ansible's own process
description:
  - The code of M(kubernetes.core.k8s) with a part of its options. A process of its own costs 0.5 s of CPU more.
  - Where it can't run there (another connection, C(become), an C(environment)), it is M(kubernetes.core.k8s) itself.
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
    description: The objects, one or a list.
    type: list
    elements: dict
    required: true
  state:
    description: What is to be with them.
    type: str
    choices: [present, absent, patched]
    default: present
  apply:
    description: Compare with what was applied last, as C(kubectl apply) does.
    type: bool
    default: false
  merge_type:
    description: How to merge, as in M(kubernetes.core.k8s).
    type: list
    elements: str
    choices: [merge, strategic-merge]
  delete_options:
    description: How to delete, as in M(kubernetes.core.k8s).
    type: dict
seealso:
  - module: kubernetes.core.k8s
"""

EXAMPLES = r"""
- name: Apply the objects
  fedoraproject.koji.koji_k8s:
    apply: true
    definition: "{{ koji_hub_different.manifests }}"
  no_log: true
"""

RETURN = r"""
result:
  description: What M(kubernetes.core.k8s) returns.
  type: dict
  returned: success
"""
