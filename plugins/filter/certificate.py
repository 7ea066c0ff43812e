# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a role needs to know of a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates

if TYPE_CHECKING:
    from collections.abc import Callable


def certificate_expires(certificate: str) -> str:
    """When a PEM certificate expires, in RFC 3339."""
    try:
        return certificates.rfc3339(certificates.read(certificate))
    except certificates.CertificateError as error:
        raise AnsibleFilterError(f"certificate_expires: {error}") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> filter."""
        return {"certificate_expires": certificate_expires}
