# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs kubernetes.core.k8s in Ansible's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.fedoraproject.koji.plugins.plugin_utils.in_process import InProcessAction

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible.module_utils.basic import AnsibleModule


def main(make: Callable[..., AnsibleModule]) -> None:
    """What kubernetes.core.k8s does, with a module made by `make`."""
    # Importing the Kubernetes client costs 0.4 s, and most runs have nothing to write.
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.core import AnsibleK8SModule  # noqa: PLC0415
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException  # noqa: PLC0415
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.runner import run_module  # noqa: PLC0415
    from ansible_collections.kubernetes.core.plugins.modules.k8s import argspec  # noqa: PLC0415

    module = AnsibleK8SModule(
        module_class=make,
        argument_spec=argspec(),
        mutually_exclusive=[("merge_type", "apply")],
        supports_check_mode=True,
    )
    try:
        run_module(module)
    except CoreException as error:
        module.fail_from_exception(error)


class ActionModule(InProcessAction):
    """See the module's own documentation."""

    module_main = staticmethod(main)
    module_elsewhere = "kubernetes.core.k8s"
