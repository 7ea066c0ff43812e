#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_web_info
short_description: Reads all that a KojiWeb depends on, and says what comes next
description:
  - Reads the hub's references, Secrets, ConfigMaps and the web pages' pods in one pass, without writing anything.
  - What is missing or wrong is named in RV(problem); the task itself does not fail for it.
  - The result holds private keys, so use it with C(no_log).
version_added: 0.3.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
  - fedoraproject.koji.attributes.info_module
options:
  resource:
    description: The whole KojiWeb, as the API server has it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Read what the KojiWeb depends on
  fedoraproject.koji.koji_web_info:
    resource: "{{ _apps_fedoraproject_org_kojiweb }}"
  no_log: true
  register: web
"""

RETURN = r"""
problem:
  description: Why the web pages are not ready; empty if they are.
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
references:
  description: >-
    The hub, its admin, its CA and the web pages' user, as
    RV(fedoraproject.koji.koji_references_info#module:references).
  type: dict
  returned: always
names:
  description: Names, labels and addresses of the objects.
  type: dict
  returned: always
make:
  description: Secrets to write before all else, as M(fedoraproject.koji.koji_certificate_secrets) wants them.
  type: list
  elements: dict
  returned: always
templates:
  description: Templates of the objects that may be applied now.
  type: list
  elements: str
  returned: always
corrections:
  description: Templates of objects that are put right, but don't change to what was not applied before.
  type: list
  elements: str
  returned: always
remove:
  description: Objects that are no longer wanted, as manifests that only name them.
  type: list
  elements: dict
  returned: always
ask_hub:
  description: What has the KojiHub looked at again, as a manifest to patch it with; empty where it need not be.
  type: list
  elements: dict
  returned: always
any_user:
  description: Whether the pods may say as which user they run.
  type: bool
  returned: always
checksums:
  description: Annotations of the pods; another value rolls them.
  type: dict
  returned: always
certificates:
  description: What cert-manager is asked for (C(requests)).
  type: dict
  returned: always
exposure:
  description: What makes the web pages reachable.
  type: dict
  returned: always
kerberos:
  description: Volumes, mounts and variables of the pods for logins by Kerberos.
  type: dict
  returned: always
files:
  description: The files of the pods.
  type: dict
  returned: always
theme:
  description: The theme's volume.
  type: dict
  returned: always
status:
  description: Fields of the status.
  type: dict
  returned: always
"""

from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.survey import Survey
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
