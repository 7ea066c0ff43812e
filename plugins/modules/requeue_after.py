#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: requeue_after
short_description: Asks the operator's runtime to run this resource again soon
description:
  - The runtime of ansible-operator knows this module by its bare name and by RV(period); it ends the run at this very
    task, as a success, and starts the next one after that time.
  - It must be the last task of a run and must not be C(no_log). In a finalizer run it keeps the finalizer.
  - Without the runtime it does nothing.
version_added: 0.1.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
options:
  time:
    description: The time to wait, as a number and a unit, for example V(15s) or V(2m).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look again soon
  requeue_after:
    time: 15s
"""

RETURN = r"""
period:
  description: The time to wait.
  type: str
  returned: always
  sample: 15s
"""

import re
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from collections.abc import Callable


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Hand the period over to the runtime, which reads it from the task's result."""
    module = make(argument_spec={"time": {"type": "str", "required": True}}, supports_check_mode=True)
    period = module.params["time"]
    if not re.fullmatch(r"[1-9][0-9]*(ms|s|m|h)", period):
        module.fail_json(msg=f"time: '{period}' is no time; wanted is a number and a unit, such as 15s or 2m")
    module.exit_json(changed=False, period=period)


if __name__ == "__main__":
    main()
