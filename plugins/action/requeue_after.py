# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Runs the module requeue_after in Ansible's own process."""

from __future__ import annotations

from ansible_collections.fedoraproject.koji.plugins.modules import requeue_after
from ansible_collections.fedoraproject.koji.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the module's own documentation."""

    module_main = staticmethod(requeue_after.main)
