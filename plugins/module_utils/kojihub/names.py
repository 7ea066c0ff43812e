# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What the objects of a KojiHub are called, and where it is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.server_names import (
    HTTP_PORT,
    HTTPS_PORT,
    MANAGED_BY,
    OPERATOR,
    ServerNames,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_POSTGRES", "HTTPS_PORT", "HTTP_PORT", "MANAGED_BY", "MANY_NODES", "OPERATOR", "Names"]

DEFAULT_POSTGRES = "postgres"
MANY_NODES = "ReadWriteMany"  # access mode of a volume that pods on different nodes can mount


class Names(ServerNames):
    """Those of one KojiHub."""

    app = "koji-hub"
    computed = (*ServerNames.computed, "internal_url")

    def __init__(self, resource: Mapping[str, Any]) -> None:
        super().__init__(resource)
        spec = resource.get("spec") or {}
        self.admin_secret = f"{self.fullname}-admin"
        self.ca_secret = given(spec.get("ca_cert_secret")) or f"{self.fullname}-ca-cert"
        self.ca_key_secret = f"{self.ca_secret}-key"
        self.postgres_secret = given(spec.get("postgres_secret")) or DEFAULT_POSTGRES
        self.mnt_claim = given(spec.get("mnt_pvc_name")) or f"{self.fullname}-mnt-pvc"
        self.httpd_claim = given(spec.get("httpd_pvc_name")) or f"{self.fullname}-httpd-pvc"
        backup = spec.get("backup_before_upgrade") or {}
        self.backup_claim = given(backup.get("pvc_name")) or f"{self.fullname}-backup-pvc"

    def job(self, key: str) -> str:
        """The Job that brings the database to what `key` stands for."""
        return f"{self.fullname}-db-{key}"

    @property
    def internal_url(self) -> str:
        """The hub's API inside the cluster."""
        return f"{self.origin}/kojihub"

    @property
    def url(self) -> str:
        """The hub's API for people."""
        return f"{self.public_origin}/kojihub"
