#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_hub_certificates
short_description: Makes and renews the certificates of a KojiHub
description:
  - Looks at the hub's Secrets as M(fedoraproject.koji.koji_hub_info) does, and writes what is to be made. Then it does
    so once more, as a CA has to be there before what it signs.
  - Writes as M(fedoraproject.koji.koji_certificate_secrets) does. Nothing is written where something is wrong.
version_added: 0.2.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
attributes:
  check_mode:
    support: partial
    details:
      - What a CA signs that is not there yet is not looked at.
  diff_mode:
    support: full
    details:
      - The diff names what is different, without values.
  idempotent:
    support: full
options:
  resource:
    description: The whole KojiHub, as the API server has it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Make the hub's certificates
  fedoraproject.koji.koji_hub_certificates:
    resource: "{{ _apps_fedoraproject_org_kojihub }}"
  no_log: true
"""

RETURN = r"""
conflicts:
  description: Names of the Secrets that somebody has changed since they were looked at. Look again.
  type: list
  elements: str
  returned: always
"""

import datetime
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.writing import Writer
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError
from ansible_collections.fedoraproject.koji.plugins.module_utils.making import MakingError

if TYPE_CHECKING:
    from collections.abc import Callable

# First the CA, then what it signs.
ROUNDS = 2


def bring_in_line(api: KubeApi, resource: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Look and write. -> the module's result"""
    names, spec = Names(resource), resource.get("spec") or {}
    annotations = resource["metadata"].get("annotations")
    writer = Writer(api, resource, names.labels, check_mode=check_mode)
    for _ in range(1 if check_mode else ROUNDS):
        found = certificates.look(spec, names, api, datetime.datetime.now(datetime.UTC), annotations)
        writer.write(found.make)
        if not found.make:
            break
    return writer.result


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Make them, or say why not."""
    module = make(argument_spec={"resource": {"type": "dict", "required": True}}, supports_check_mode=True)
    try:
        result = bring_in_line(KubeApi(), module.params["resource"], check_mode=module.check_mode)
    except (KubeError, MakingError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
