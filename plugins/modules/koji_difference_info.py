#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_difference_info
short_description: Finds out which objects are not as they are wanted
description:
  - Reads the objects and compares them with their manifests. One is as wanted if it has each field that its manifest
    sets, and was applied last from the same manifest.
  - Reads through what E(KUBECONFIG) names. In a run of the operator that is its runtime's proxy, which watches the
    kinds that are read through it.
  - Manifests may be of Secrets, so use it with C(no_log).
version_added: 0.1.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
  - fedoraproject.koji.attributes.info_module
options:
  manifests:
    description: The objects as they are wanted, each with C(kind), C(metadata.name) and C(metadata.namespace).
    type: list
    elements: dict
    required: true
  corrections:
    description:
      - More of them, which are only put right or made again. An object that was applied last from another manifest is
        left as it is.
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
"""

EXAMPLES = r"""
- name: See what is not as it should be
  fedoraproject.koji.koji_difference_info:
    manifests:
      - apiVersion: v1
        kind: ConfigMap
        metadata:
          name: koji-hub-config
          namespace: koji
        data:
          hub.conf: ''
  no_log: true
  register: difference

- name: Apply that
  fedoraproject.koji.koji_k8s:
    apply: true
    definition: "{{ difference.manifests }}"
  when: difference.manifests | length > 0
"""

RETURN = r"""
manifests:
  description: Those of both options whose objects are absent or not as wanted.
  type: list
  elements: dict
  returned: always
foreign:
  description:
    - Those that differ by what somebody added to a list. Apply would keep that; a merge patch of these takes it away.
  type: list
  elements: dict
  returned: always
where:
  description: For each of both, its kind and name and the first field that is not as wanted.
  type: list
  elements: str
  returned: always
  sample: [Deployment koji-hub .spec.replicas]
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.difference import (
    annotated,
    differs,
    owned,
    was_applied,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader


def compare(
    reader: Reader, manifests: list[dict[str, Any]], corrections: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Which of them aren't so. -> the module's result"""
    result: dict[str, Any] = {"changed": False, "manifests": [], "foreign": [], "where": []}
    for manifest in [*manifests, *(corrections or [])]:
        kind, metadata = manifest["kind"], manifest["metadata"]
        there = reader.get(kind, metadata["namespace"], metadata["name"])
        if manifest not in manifests and not was_applied(manifest, there):
            continue
        found = differs(manifest, there)
        if not found.where:
            continue
        if found.foreign:
            result["foreign"].append(annotated(manifest))
        else:
            result["manifests"].append(owned(manifest, there))
        result["where"].append(f"{kind} {metadata['name']} {found.where}")
    return result


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Compare, and say what is different."""
    arguments = {
        "manifests": {"type": "list", "elements": "dict", "required": True},
        "corrections": {"type": "list", "elements": "dict", "default": []},
    }
    module = make(argument_spec=arguments, supports_check_mode=True)
    try:
        params = module.params
        module.exit_json(**compare(KubeApi(proxied=True), params["manifests"], params["corrections"]))
    except KubeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
