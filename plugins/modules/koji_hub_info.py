#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_hub_info
short_description: Reads all that a KojiHub depends on, and says what comes next
description:
  - Reads claims, Secrets, ConfigMaps, the database's Jobs and the hub's pods in one pass, without writing anything.
  - What is missing or wrong is named in RV(problem); the task itself does not fail for it.
  - The result holds passwords and private keys, so use it with C(no_log).
version_added: 0.2.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
  - fedoraproject.koji.attributes.info_module
options:
  resource:
    description: The whole KojiHub, as the API server has it.
    type: dict
    required: true
  patience:
    description:
      - Seconds to wait, at most, while the database's Job or the hub's pods are on their way, and nothing keeps them.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Read what the KojiHub depends on
  fedoraproject.koji.koji_hub_info:
    resource: "{{ _apps_fedoraproject_org_kojihub }}"
  no_log: true
  register: hub
"""

RETURN = r"""
problem:
  description: Why the hub is not ready; empty if it is.
  type: dict
  returned: always
  contains:
    reason:
      description: What it is, in one CamelCase word.
      type: str
    message:
      description: What it is and what to do.
      type: str
    progressing:
      description: Whether it ends by itself.
      type: bool
warnings:
  description: What is accepted but should be changed, each with C(reason) and C(message).
  type: list
  elements: dict
  returned: always
names:
  description: Names, labels and addresses of the hub's objects.
  type: dict
  returned: always
templates:
  description: Templates of the objects that may be applied now.
  type: list
  elements: str
  returned: always
corrections:
  description: Templates of objects that are put right while something is wrong, but don't change to anything new.
  type: list
  elements: str
  returned: always
replicas:
  description: How many pods the hub gets now.
  type: int
  returned: always
remove:
  description: Objects that are no longer wanted, as manifests that only name them.
  type: list
  elements: dict
  returned: always
any_user:
  description: Whether the pods may say as which user they run.
  type: bool
  returned: always
environment:
  description: Variables of the pods.
  type: list
  elements: dict
  returned: always
trust:
  description: Volumes (C(volumes)) of pods and mounts (C(mounts)) of containers with the CAs that the site trusts.
  type: dict
  returned: always
checksums:
  description: Annotations of the pods; another value rolls them.
  type: dict
  returned: always
status:
  description: Fields of the status.
  type: dict
  returned: always
conditions:
  description: The conditions V(DatabaseReady) and V(CertificatesValid).
  type: list
  elements: dict
  returned: always
is_new:
  description: Whether the hub has no pods yet, and nothing keeps it from getting them.
  type: bool
  returned: always
patient:
  description: Whether it was read with O(patience).
  type: bool
  returned: always
again:
  description: When to look again although the hub is ready; empty for the usual period.
  type: str
  returned: always
certificates:
  description: The certificates that there are, and those that are to be made (C(make)).
  type: dict
  returned: always
cleanup:
  description: The periodic cleaning.
  type: dict
  returned: always
claims:
  description: The claims that are to be made (C(make)) or to grow (C(grow)), and whether one node alone can mount them.
  type: dict
  returned: always
exposure:
  description: What makes the hub reachable.
  type: dict
  returned: always
database:
  description: The Job that brings the database to the image's schema.
  type: dict
  returned: always
files:
  description: The files of the pods.
  type: dict
  returned: always
kerberos:
  description: Volumes, mounts and variables of the pods for logins by Kerberos.
  type: dict
  returned: always
"""

from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.survey import Survey
from ansible_collections.fedoraproject.koji.plugins.module_utils.kube import KubeApi, KubeError

if TYPE_CHECKING:
    from collections.abc import Callable


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Read, and say what is there."""
    arguments = {"resource": {"type": "dict", "required": True}, "patience": {"type": "int", "default": 0}}
    module = make(argument_spec=arguments, supports_check_mode=True)
    try:
        survey = Survey(module.params["resource"], KubeApi())
        module.exit_json(changed=False, **survey.run(module.params["patience"]))
    except KubeError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
