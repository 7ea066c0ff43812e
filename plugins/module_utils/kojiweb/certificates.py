# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The certificates of the web pages: the server's, and the one that they log in to the hub with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import cert_manager, certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Pair, Wishes
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import issuer
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.leaves import SERVER, Leaf, Signers
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.order import order
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secrets
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader, Resolver

CLIENT = "client"


@dataclass
class CertificatesLook:
    """What there is and what is to be made."""

    make: list[dict[str, Any]] = field(default_factory=list, repr=False)  # for module koji_certificate_secrets
    requests: list[dict[str, Any]] = field(default_factory=list)  # Certificates of cert-manager that there are to be
    remove: list[dict[str, Any]] = field(default_factory=list)  # those that are no longer wanted
    client_pem: str = field(default="", repr=False)
    expires: str = ""
    checksum: str = ""
    problem: Problem | None = None
    warnings: list[dict[str, str]] = field(default_factory=list)


class Certificates:
    """Looks at both; the references, which the client's is one of, have been resolved."""

    def __init__(
        self, spec: Mapping[str, Any], names: Names, resolver: Resolver, reader: Reader, now: datetime.datetime
    ) -> None:
        self._names = names
        self._resolver = resolver
        self._references = resolver.found
        self._reader = reader
        self._wishes = Wishes.of(spec)
        self._now = now
        self._https = bool(spec.get("https_enabled", True))
        self.found = CertificatesLook()

    def look(self, secrets: Secrets) -> CertificatesLook:
        """Read, and decide."""
        server = None
        try:
            self._check_names()
            self._look_at_ca(secrets)
            self._look_at_client(secrets)
            server = self._look_at_server(secrets) if self._https else None
        except Problem as problem:
            self.found.problem = problem
        ends = [self._references.client_expires, certificates.rfc3339(server.certificate) if server else ""]
        self.found.expires = min(filter(None, ends), default="")
        texts = [server.text if server else "", self._references.ca]
        self.found.checksum = hashlib.sha256("\n".join(text.strip() for text in texts).encode()).hexdigest()[:16]
        return self.found

    def _check_names(self) -> None:
        found, server = self._references, self._names.service_secret
        if self._https and server in (found.client_secret, found.ca_secret, self._names.session_secret):
            raise Problem(
                "ConflictingFields",
                f"Secret '{server}' is named for the server's certificate (service_cert_secret) and for something "
                "else; name two Secrets",
            )

    def _look_at_ca(self, secrets: Secrets) -> None:
        """A CA that a field names and nobody made."""
        found = self._references
        secret = secrets.get(found.ca_secret)
        if found.ca_ours and secret.text("ca.crt") != found.ca.strip():
            self.found.make.append(order(secret, "bundle", {"ca.crt": found.ca + "\n"}, kept=False))

    def _look_at_client(self, secrets: Secrets) -> None:
        found = self._references
        if not found.client_secret:  # it logs in by Kerberos
            return
        secret, bundle = secrets.get(found.client_secret), found.ca.strip() + "\n"
        if found.client_request:
            self.found.requests.append(found.client_request)
        if found.client_make:
            made = order(secret, CLIENT, {"ca.crt": bundle}, issue=found.client_wanted, kept=False)
            self.found.make.append(made)
            return
        certificate, key = found.client_certificate.strip(), found.client_key.strip()
        pem = certificate if certificate == key else f"{certificate}\n{key}"
        if found.client_ours:
            data = {"tls.crt": f"{certificate}\n", "tls.key": f"{key}\n", "ca.crt": bundle, "client.pem": f"{pem}\n"}
            if any(secret.text(name) != text.strip() for name, text in data.items()):
                self.found.make.append(order(secret, CLIENT, data, kept=False))
        if found.waiting:
            raise Problem(found.waiting["reason"], found.waiting["message"], progressing=True)
        self.found.client_pem = f"{pem}\n"

    def _look_at_server(self, secrets: Secrets) -> Pair | None:
        names = self._names
        secret = secrets.get(names.service_secret)
        leaf = Leaf(SERVER, secret, names.fullname, names.certificate_names, names.needed_names)
        ours = secret.has_labels(names.labels)
        by = self._resolver.issuer()
        if ours and not by:
            self.found.remove = issuer.leftover([leaf], names.labels, self._reader, names.namespace)
        if secret.there and not ours:
            return self._given(leaf)
        if by:
            self._request(leaf, by)
            return self._check(leaf)
        signer = self._resolver.find_signer()
        good = [signer.certificate] if signer else certificates.readable(self._references.ca)
        made = leaf.bring_in_line(
            Signers(signer, good, self._references.ca.strip()), self._wishes, self._now, kept=False
        )
        current = leaf.current()
        if made:
            self.found.make.append(made)
        elif current is None:
            raise secret.missing(
                "certificate and key of the server (keys tls.crt and tls.key)",
                f"create it, or give the key of the CA in Secret '{self._references.ca_secret}' to sign one with, as "
                f"Secret '{self._references.ca_secret}-key' (keys tls.crt and tls.key)",
            )
        return current

    def _check(self, leaf: Leaf) -> Pair:
        """One that others have made, whoever has signed it: browsers know more CAs than the hub's."""
        text = leaf.secret.text("tls.crt")
        return leaf.check(leaf.secret, certificates.readable(text)[:1], self._now)

    def _given(self, leaf: Leaf) -> Pair:
        pair = self._check(leaf)
        if pair.certificate.renew(self._wishes.renew_before, self._now):
            ends = certificates.rfc3339(pair.certificate)
            message = f"{leaf.words} expires at {ends}; replace it"
            self.found.warnings.append({"reason": "CertificateExpiresSoon", "message": message})
        return pair

    def _request(self, leaf: Leaf, by: Mapping[str, Any]) -> None:
        wanted = cert_manager.request(
            leaf.secret.name,
            leaf.common_name,
            issuer=by,
            wishes=self._wishes,
            labels=self._names.labels,
            names=leaf.names,
        )
        self.found.requests.append(wanted)
        issuer.check_written(leaf, self._reader, self._names.namespace)
