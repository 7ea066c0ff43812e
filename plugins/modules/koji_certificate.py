#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_certificate
short_description: Makes a certificate, signed by a CA, or a CA
description:
  - Returns a new certificate each time, with a new key unless it is given one. Nothing is written to the disk.
  - Give a task with it C(no_log), as it returns a key.
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
  idempotent:
    support: none
    details: The certificate is a new one each time.
options:
  common_name:
    description: Whose it is.
    type: str
    required: true
  names:
    description: DNS names that it is for.
    type: list
    elements: str
    default: []
  usage:
    description: What it is for; a CA without.
    type: str
    choices: ['', serverAuth, clientAuth]
    default: ''
  key:
    description: The PEM private key that it is for. Without it one is made.
    type: str
    default: ''
  key_type:
    description: Of the key that is made; V(ECDSA) on the curve P-256, V(RSA) with 3072 bits.
    type: str
    choices: [ECDSA, RSA]
    default: ECDSA
  not_after:
    description: When it ends, in UTC, as V(20270131235959Z).
    type: str
    required: true
  signer_certificate:
    description: The CA that signs, as PEM; not for a CA, which signs itself.
    type: str
    default: ''
  signer_key:
    description: The key of that CA, as PEM.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Make a client certificate
  fedoraproject.koji.koji_certificate:
    common_name: kojira
    usage: clientAuth
    not_after: 20270131235959Z
    signer_certificate: "{{ ca.certificate }}"
    signer_key: "{{ ca.privatekey }}"
  no_log: true
  register: made
"""

RETURN = r"""
certificate:
  description: The certificate, as PEM.
  type: str
  returned: always
privatekey:
  description: The key that was made, as PEM; empty if one was given.
  type: str
  returned: always
"""

import datetime
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.signing import Order, SigningError, make_key, sign

if TYPE_CHECKING:
    from collections.abc import Callable

ARGUMENTS: dict[str, Any] = {
    "common_name": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "usage": {"type": "str", "choices": ["", "serverAuth", "clientAuth"], "default": ""},
    "key": {"type": "str", "default": "", "no_log": True},
    "key_type": {"type": "str", "choices": ["ECDSA", "RSA"], "default": "ECDSA"},
    "not_after": {"type": "str", "required": True},
    "signer_certificate": {"type": "str", "default": ""},
    "signer_key": {"type": "str", "default": "", "no_log": True},
}


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Make the key, unless there is one, and the certificate."""
    module = make(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = module.params
    try:
        until = datetime.datetime.strptime(wanted["not_after"], "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        module.fail_json(msg=f"not_after: '{wanted['not_after']}' is no time such as 20270131235959Z")
    made = "" if wanted["key"] else make_key(wanted["key_type"])
    order = Order(wanted["common_name"], wanted["key"] or made, until, wanted["usage"], wanted["names"])
    try:
        certificate = sign(order, wanted["signer_certificate"], wanted["signer_key"])
    except SigningError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, certificate=certificate, privatekey=made)


if __name__ == "__main__":
    main()
