#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_new_objects
short_description: Creates objects as an apply would, as far as they are absent
description:
  - Creates one after the other, with the annotation that M(kubernetes.core.k8s) leaves when it applies. It stops at
    the first that is there already, or that the API server does not take.
  - That and those after it are left to M(kubernetes.core.k8s), which changes what is there, and says what is wrong.
  - Talks to what E(KUBECONFIG) names. In a run of the operator that is its runtime's proxy, which makes the resource
    their owner.
  - Manifests may be of Secrets, so use it with C(no_log).
version_added: 0.2.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  manifests:
    description: The objects, each with C(kind), C(metadata.name) and C(metadata.namespace).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Create what is absent
  fedoraproject.koji.koji_new_objects:
    manifests: "{{ different.manifests }}"
  no_log: true
  register: new

- name: Apply the rest
  kubernetes.core.k8s:
    apply: true
    definition: "{{ new.rest }}"
  no_log: true
  when: new.rest | length > 0
"""

RETURN = r"""
rest:
  description: Those that were not created.
  type: list
  elements: dict
  returned: always
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.difference import annotated
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

if TYPE_CHECKING:
    from collections.abc import Callable


def create(api: KubeApi, manifests: list[dict[str, Any]], *, check_mode: bool) -> dict[str, Any]:
    """Create the first of them, up to one that can't be. -> the module's result"""
    for done, manifest in enumerate(manifests):
        if not _is_created(api, manifest, check_mode=check_mode):
            return {"changed": done > 0, "rest": manifests[done:]}
    return {"changed": bool(manifests), "rest": []}


def _is_created(api: KubeApi, manifest: dict[str, Any], *, check_mode: bool) -> bool:
    kind, metadata = manifest["kind"], manifest["metadata"]
    try:
        return api.create(kind, metadata["namespace"], annotated(manifest), dry_run=check_mode)
    except KubeError:
        # kubernetes.core.k8s tries it again, and says what is wrong with it.
        return False


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Create them."""
    arguments = {"manifests": {"type": "list", "elements": "dict", "required": True}}
    module = make(argument_spec=arguments, supports_check_mode=True)
    try:
        module.exit_json(**create(KubeApi(proxied=True), module.params["manifests"], check_mode=module.check_mode))
    except KubeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
