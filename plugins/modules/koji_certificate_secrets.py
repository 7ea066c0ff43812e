#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_certificate_secrets
short_description: Writes Secrets with certificates, which it makes where they are to be made
description:
  - Writes each Secret as M(fedoraproject.koji.koji_kept_object) does, past the proxy of the operator's runtime, so that
    those that are kept have no owner. What an order wants issued is made as by M(fedoraproject.koji.koji_certificate).
  - One that somebody has changed or deleted since it was looked at is not written, as RV(conflicts) says.
  - Orders hold private keys, so use it with C(no_log).
version_added: 0.2.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The diff names what is different, without values.
  idempotent:
    support: none
    details:
      - A certificate that is to be issued is another one each time.
options:
  orders:
    description: What to write, each as C(order) in C(module_utils/kojihub/order.py) describes it.
    type: list
    elements: dict
    required: true
  owner:
    description: The resource that owns those that are not kept.
    type: dict
    required: true
  labels:
    description: Labels of the Secrets.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the Secrets of the web pages
  fedoraproject.koji.koji_certificate_secrets:
    orders: "{{ found.make }}"
    owner: "{{ _apps_fedoraproject_org_kojiweb }}"
    labels: "{{ found.names.labels }}"
  no_log: true
"""

RETURN = r"""
conflicts:
  description: Names of the Secrets that are not what was looked at any more. Look again.
  type: list
  elements: str
  returned: always
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.writing import Writer
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError
from ansible_collections.fedoraproject.koji.plugins.module_utils.making import MakingError

if TYPE_CHECKING:
    from collections.abc import Callable

ARGUMENTS: dict[str, Any] = {
    "orders": {"type": "list", "elements": "dict", "required": True},
    "owner": {"type": "dict", "required": True},
    "labels": {"type": "dict", "required": True},
}


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Write them, or say why not."""
    module = make(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    try:
        writer = Writer(KubeApi(), params["owner"], params["labels"], check_mode=module.check_mode)
        writer.write(params["orders"])
    except (KubeError, MakingError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**writer.result)


if __name__ == "__main__":
    main()
