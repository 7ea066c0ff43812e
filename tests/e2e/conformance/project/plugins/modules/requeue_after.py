#!/usr/bin/python
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says when the runtime is to call again: it looks for this name and for `period` in the result."""

from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"period": {"type": "str", "required": True}}, supports_check_mode=True)
module.exit_json(changed=False, period=module.params["period"])
