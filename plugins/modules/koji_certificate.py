#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: koji_certificate
short_description: Makes a certificate with its key, without writing it anywhere
description:
  - Makes a certificate that a CA signs, or a CA, with the code of community.crypto's modules
    M(community.crypto.openssl_privatekey_pipe), M(community.crypto.openssl_csr_pipe) and
    M(community.crypto.x509_certificate_pipe), in one task.
  - Argument and result hold private keys, so use it with C(no_log).
version_added: 0.2.0
author:
  - Contributors to the Koji operator (@fedora-infra)
extends_documentation_fragment:
  - fedoraproject.koji.attributes
attributes:
  check_mode:
    support: full
    details:
      - What is made is in the result alone.
  diff_mode:
    support: N/A
    details:
      - What is made is in the result alone.
  idempotent:
    support: none
    details:
      - Each run makes another certificate.
options:
  wanted:
    description:
      - What to make, as C(issue) in C(module_utils/issuing.py) describes it. It holds the key that signs.
      - A C(key) in it is used; without one, a new key is made.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Make the certificate of a KojiUser
  fedoraproject.koji.koji_certificate:
    wanted: "{{ found.references.client_wanted }}"
  no_log: true
  register: made
"""

RETURN = r"""
certificate:
  description: The certificate as PEM.
  type: str
  returned: always
privatekey:
  description: Its key as PEM.
  type: str
  returned: always
"""

from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fedoraproject.koji.plugins.module_utils.making import MakingError
from ansible_collections.fedoraproject.koji.plugins.module_utils.making import make as make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable


def main(make: Callable[..., AnsibleModule] = AnsibleModule) -> None:
    """Make it, or say why not."""
    module = make(argument_spec={"wanted": {"type": "dict", "required": True}}, supports_check_mode=True)
    try:
        made = make_certificate(module.params["wanted"])
    except MakingError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, certificate=made.certificate, privatekey=made.key)


if __name__ == "__main__":
    main()
