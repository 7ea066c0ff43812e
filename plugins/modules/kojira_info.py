#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kojira_info
short_description: Reads all that a Kojira depends on, and says what comes next
description:
  - Reads other Kojiras, the hub, Secrets, ConfigMaps, claims and the pod in one pass, without writing anything.
  - What is missing or wrong is named in RV(problem); the task itself does not fail for it.
  - The result holds private keys, so use it with C(no_log).
version_added: 0.2.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
  - fedoraproject.koji.attributes.info_module
options:
  resource:
    description: The whole Kojira, as the API server has it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Read what the Kojira depends on
  fedoraproject.koji.kojira_info:
    resource: "{{ _apps_fedoraproject_org_kojira }}"
  no_log: true
  register: kojira
"""

RETURN = r"""
problem:
  description: Why nothing can be written; empty if it can.
  type: dict
  returned: always
  contains: &problem
    reason:
      description: What it is, in one CamelCase word.
      type: str
    message:
      description: What it is and what to do.
      type: str
    progressing:
      description: Whether it ends by itself.
      type: bool
    again:
      description: When to look again; unset for ever later.
      type: str
pod_problem:
  description: Why kojira does not work yet; empty if it does.
  type: dict
  returned: always
  contains: *problem
references:
  description: What the Kojira refers to, as RV(fedoraproject.koji.koji_references_info#module:references) has it.
  type: dict
  returned: always
warnings:
  description: What is accepted but should be changed, each with C(reason) and C(message).
  type: list
  elements: dict
  returned: always
names:
  description: Names and labels of the objects.
  type: dict
  returned: always
templates:
  description: Templates of the objects that may be applied now.
  type: list
  elements: str
  returned: always
remove:
  description: Objects that must not be there, as manifests that only name them.
  type: list
  elements: dict
  returned: always
pods:
  description: How many pods of this Kojira there are, those that end included.
  type: int
  returned: always
make_user:
  description: Whether the hub user is made for this Kojira, and no KojiUser is.
  type: bool
  returned: always
worked:
  description: Whether the Kojira has ever worked, and so has a hub user that is disabled with it.
  type: bool
  returned: always
any_user:
  description: Whether the pod may say as which user it runs.
  type: bool
  returned: always
files:
  description: C(kojira_conf), and after how much silence kojira is not ready and is begun anew.
  type: dict
  returned: always
kerberos:
  description: Volumes, mounts and variables of the pod for a login by Kerberos.
  type: dict
  returned: always
claim:
  description: The PersistentVolumeClaim with Koji's files.
  type: str
  returned: always
affinity:
  description: The pod's affinity.
  type: dict
  returned: always
status:
  description: Fields of the status.
  type: dict
  returned: always
"""

from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira.survey import Survey
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

if TYPE_CHECKING:
    from collections.abc import Callable


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Read, and say what is there."""
    module = make(argument_spec={"resource": {"type": "dict", "required": True}}, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **Survey(module.params["resource"], KubeApi()).run())
    except KubeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
