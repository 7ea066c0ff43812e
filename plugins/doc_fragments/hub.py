# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that talk to a Koji hub."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the hub is; C(hub.login) adds who logs in."""

    DOCUMENTATION = r"""
requirements:
  - koji >= 1.34 (Python package; 1.36.1 is what it is tested with)
options:
  hub_url:
    description:
      - URL of the hub, with its path. It is only ever talked to over TLS.
    type: str
    required: true
  ca_cert_path:
    description:
      - File with the certificate of the CA that signed the hub's, in PEM.
      - One of O(ca_cert_path) and O(ca_cert_content) is required.
    type: path
  ca_cert_content:
    description:
      - The certificate of the CA that signed the hub's, as PEM text. It is not written to a disk.
    type: str
  ca_cert_name:
    description:
      - What messages call the CA, for example C(Secret koji-hub-ca-cert).
      - Without it, messages name the file or the option.
    type: str
  report_errors:
    description:
      - When V(true), the task does not fail if the hub can't be talked to or refuses something.
        RV(error) then says what is wrong.
      - Meant for operators, whose runtime counts every failed task, rescued or not, as a failure of the whole run.
    type: bool
    default: false
"""

    LOGIN = r"""
options:
  client_cert_path:
    description:
      - File with the certificate of a user who may write and the key to it, both in PEM.
      - One of O(client_cert_path), O(client_cert_content), O(keytab_path) and O(keytab_content) is required.
        It is used only when something is to be changed.
    type: path
  client_cert_content:
    description:
      - The certificate of a user who may write and the key to it, as PEM text. It is not written to a disk.
    type: str
  client_cert_name:
    description:
      - What messages call the certificate or the keytab, for example C(Secret koji-hub-admin).
      - Without it, messages name the file or the option.
    type: str
  login_principal:
    description:
      - Kerberos principal of a user who may write, as V(name@REALM).
      - Logging in by Kerberos needs the Python packages C(gssapi) and C(requests-gssapi).
    type: str
    version_added: 0.4.0
  keytab_path:
    description: File with the keytab of O(login_principal).
    type: path
    version_added: 0.4.0
  keytab_content:
    description: The keytab of O(login_principal), in base64. It is not written to a disk.
    type: str
    version_added: 0.4.0
  krb5_conf_content:
    description:
      - Kerberos' settings, as text of a C(krb5.conf). Used is what says where KDCs are and how names are looked up.
      - Without it, those of the machine are used.
    type: str
    version_added: 0.4.0
"""
