# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A Secret with certificates that the role is to write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret

TLS = "kubernetes.io/tls"
# What holds no certificate with its key: the CA alone, a secret text.
_PLAIN = ("bundle", "session")


def order(
    secret: Secret,
    role: str,
    data: Mapping[str, str],
    *,
    issue: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
    kept: bool = True,
    replace: bool = False,
) -> dict[str, Any]:
    """An entry for tasks/secrets.yml of role koji_certificate.

    `data` is what is known of the Secret; `issue`, for role koji_certificate, gives the rest. One that was absent is
    only created, so that nobody's is overwritten, unless `replace`.
    """
    return {
        "secret": secret.name,
        "role": role,
        "type": secret.type or ("Opaque" if role in _PLAIN else TLS),
        "version": secret.version,
        "update": secret.there or replace,
        "kept": kept,
        "annotations": {key: value for key, value in (annotations or {}).items() if value},
        "data": dict(data),
        "issue": dict(issue or {}),
    }
