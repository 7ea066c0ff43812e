#!/usr/bin/python
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Appends a line of JSON to a file, with the time in seconds, for the test to read."""

import json
import os
import time

from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"path": {"type": "path", "required": True}, "entry": {"type": "dict", "required": True}})
line = json.dumps({**module.params["entry"], "time": time.time()}) + "\n"
# One write at the file's end: runs that go on at the same time don't mix their lines.
descriptor = os.open(module.params["path"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(descriptor, line.encode())
os.close(descriptor)
module.exit_json(changed=False)
