# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs the module koji_certificate in Ansible's own process."""

from __future__ import annotations

from ansible_collections.fedoraproject.koji.plugins.modules import koji_certificate
from ansible_collections.fedoraproject.koji.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the module's own documentation."""

    module_main = staticmethod(koji_certificate.main)
