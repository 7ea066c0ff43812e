# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A hub's certificates: the CA, its key, the server's and the admin's. What is given is used, the rest is made.

Secrets of the operator's have its labels; all others are the site's, are used as they are and never written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import cert_manager, certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Pair, Wishes
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import issuer
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.authority import Moment, OwnAuthority
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.followers import (
    CHECKSUM,
    NamespaceFollowers,
    checksum,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.leaves import ADMIN, SERVER, Leaf, Signers
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.order import order
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret, Secrets
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

__all__ = ["CHECKSUM", "CertificatesLook", "look"]

DEFAULT_ADMIN = "koji-admin"


@dataclass
class CertificatesLook:
    """What there is and what is to be made. PEM texts are '' where there is none."""

    make: list[dict[str, Any]] = field(default_factory=list)  # for module koji_certificate_secrets
    requests: list[dict[str, Any]] = field(default_factory=list)  # Certificates of cert-manager that there are to be
    remove: list[dict[str, Any]] = field(default_factory=list)  # those that are no longer wanted
    ca_secret: str = ""
    ca: str = ""
    service_secret: str = ""
    admin_secret: str = ""
    admin_pem: str = ""
    expires: str = ""
    checksum: str = ""  # value of the pods' annotation CHECKSUM
    valid: bool = False
    problem: Problem | None = None
    warnings: list[dict[str, str]] = field(default_factory=list)
    rotation: str = ""  # what a rotation of the CA waits for


def look(
    spec: Mapping[str, Any],
    names: Names,
    reader: Reader,
    now: datetime.datetime,
    annotations: Mapping[str, str] | None = None,
) -> CertificatesLook:
    """Read the Secrets and decide. `annotations` are the KojiHub's."""
    looking = _Looking(spec, names, reader, Moment(names.fullname, Wishes.of(spec), now, annotations or {}))
    try:
        looking.run()
    except Problem as problem:
        looking.found.problem = problem
    looking.sum_up()
    return looking.found


class _Looking:
    def __init__(self, spec: Mapping[str, Any], names: Names, reader: Reader, moment: Moment) -> None:
        self._names = names
        self._reader = reader
        self._moment = moment
        self._issuer = spec.get("cert_manager_issuer") or {}
        secrets = Secrets(reader, names.namespace)
        self._ca, self._key = secrets.get(names.ca_secret), secrets.get(names.ca_key_secret)
        self._server = Leaf(
            SERVER,
            secrets.get(names.service_secret),
            names.fullname,
            names.certificate_names,
            names.needed_names,
        )
        admin = given(spec.get("admin_username")) or DEFAULT_ADMIN
        self._admin = Leaf(ADMIN, secrets.get(names.admin_secret), admin)
        self._leaves = (self._server, self._admin)
        self._pairs: dict[str, Pair] = {}
        self._signer: Pair | None = None
        self._followers = NamespaceFollowers(names, secrets, reader)
        self.found = CertificatesLook(
            ca_secret=names.ca_secret, service_secret=names.service_secret, admin_secret=names.admin_secret
        )

    def run(self) -> None:
        self._check_names()
        if self._moment.overlap_is_bad:
            self._warn("InvalidAnnotation", "rotate-ca-overlap is no number of seconds; each step lasts ten minutes")
        unwanted = [leaf for leaf in self._leaves if self._is_ours(leaf.secret) and not self._issuer]
        self.found.remove = issuer.leftover(unwanted, self._names.labels, self._reader, self._names.namespace)
        if self._issuer:
            self._by_cert_manager()
        elif self._ca.there and not self._is_ours(self._ca):
            self._by_given_ca()
        elif self._key.there and not self._is_ours(self._key):
            self._by_given_key()
        else:
            self._by_own_ca()

    def sum_up(self) -> None:
        found = self.found
        server, admin = self._pairs.get(SERVER), self._pairs.get(ADMIN)
        if admin:
            found.admin_pem = f"{admin.text.strip()}\n" + (f"{admin.key.strip()}\n" if admin.key != admin.text else "")
        ends = [pair.certificate for pair in (self._signer, server, admin) if pair]
        found.expires = certificates.rfc3339(min(ends, key=lambda one: one.expires)) if ends else ""
        found.checksum = checksum(server.text if server else "", found.ca)
        found.valid = not found.problem and bool(server and admin and found.ca)

    def _is_ours(self, secret: Secret) -> bool:
        return secret.has_labels(self._names.labels)

    def _is_given(self, secret: Secret) -> bool:
        return secret.there and not self._is_ours(secret)

    def _warn(self, reason: str, message: str) -> None:
        self.found.warnings.append({"reason": reason, "message": message})

    def _check_names(self) -> None:
        """One Secret can't be made for two purposes; a given one may serve as the CA and the server's."""
        named = {
            "the CA (ca_cert_secret)": self._ca,
            "the CA's key (ca_cert_secret with -key)": self._key,
            "the server's certificate (service_cert_secret)": self._server.secret,
            "the admin's certificate": self._admin.secret,
        }
        for what, secret in named.items():
            others = [other for other, its in named.items() if its.name == secret.name and other != what]
            if others and not (self._is_given(secret) and secret is not self._key):
                message = f"{secret} is named for {what} and for {others[0]}; name two Secrets"
                raise Problem("ConflictingFields", message)

    # The four ways to come by a CA.

    def _by_own_ca(self) -> None:
        if self._is_given(self._server.secret) and not self._ca.there and not self._key.there:
            raise self._ca.missing(
                f"the CA that has signed the certificate in {self._server.secret} (key ca.crt)",
                "create it, or delete that Secret to have all certificates made",
            )
        authority = OwnAuthority(self._key, self._known(), self._moment)
        step = authority.step(self._followers)
        self.found.rotation = authority.rotation
        if step:
            self.found.make = [step]
        if not authority.trusted:
            return
        self._signer = authority.issuer
        # Who has lost its key has signed what stays good until the next CA is known to everyone.
        good = [authority.signer.certificate] if authority.signer else authority.trusted
        bundle = "".join(one.pem for one in authority.trusted).strip()
        # A step changes who signs, and what is trusted: the rest is looked at when it is done.
        self._finish(Signers(authority.issuer, good, bundle), write=not step)

    def _by_given_ca(self) -> None:
        bundle, trusted = self._read_ca()
        self._signer = self._read_key(trusted)
        self.found.ca = bundle
        self._warn_of_kept_key("ca.crt is yours and holds its CA")
        self._finish(Signers(self._signer, [self._signer.certificate] if self._signer else trusted, bundle))

    def _by_given_key(self) -> None:
        """The site gives a CA's key alone: its certificate is everyone's ca.crt."""
        signer = self._signer = self._read_key([])
        assert signer  # noqa: S101  (it is there, or Problem was raised)
        if not signer.certificate.issued_by(signer.certificate):
            # TLS libraries want a root; whose it is, and so who may log in, is for the site to say.
            raise self._ca.missing(
                f"whom everyone trusts (key ca.crt): the CA in {self._key} is an intermediate one, of "
                f"'{signer.certificate.issuer}'",
                "create it with the root",
            )
        old = self._still_needed(signer.certificate)
        bundle = "".join(one.pem for one in (signer.certificate, *old)).strip()
        self._finish(Signers(signer, [signer.certificate], bundle))

    def _by_cert_manager(self) -> None:
        leaves = [leaf for leaf in self._leaves if self._is_requested(leaf)]
        self.found.requests = [
            cert_manager.request(
                leaf.secret.name,
                leaf.common_name,
                issuer=self._issuer,
                wishes=self._moment.wishes,
                labels=self._names.labels,
                names=leaf.names,
            )
            for leaf in leaves
        ]
        for leaf in leaves:
            issuer.check_written(leaf, self._reader, self._names.namespace)
        self._warn_of_kept_key("cert_manager_issuer is set")
        if self._is_given(self._ca):
            bundle, trusted = self._read_ca()
            self.found.ca = bundle
        else:
            first = issuer.read_ca([leaf.secret for leaf in leaves], self._ca)
            trusted = [*first, *self._still_needed(*first)]
            bundle = "".join(one.pem for one in trusted).strip()
        self._finish(Signers(None, trusted, bundle))

    def _finish(self, signers: Signers, *, write: bool = True) -> None:
        """Bring the Secrets in line, then look at what is to be used."""
        if not self._is_given(self._ca):
            # What the pods mount is what is there now.
            self.found.ca = self._ca.text("ca.crt")
            if write and self._ca.text("ca.crt") != signers.bundle:
                self.found.make.append(order(self._ca, "bundle", {"ca.crt": signers.bundle + "\n"}))
        problems = []
        for leaf in self._leaves:
            try:
                self._use(leaf, signers, write=write)
            except Problem as problem:
                problems.append(problem)
        if problems:
            raise problems[0]

    def _use(self, leaf: Leaf, signers: Signers, *, write: bool) -> None:
        if self._is_given(leaf.secret) or self._is_requested(leaf):
            pair = leaf.check(self._ca, certificates.readable(signers.bundle), self._moment.now)
            self._pairs[leaf.role] = pair
            self._warn_of_given(leaf, pair.certificate)
            return
        made = leaf.bring_in_line(signers, self._moment.wishes, self._moment.now, kept=leaf.role == ADMIN)
        if made and write:
            self.found.make.append(made)
        current = leaf.current()
        if current:
            self._pairs[leaf.role] = current
        elif write and not made:
            what = "certificate and key of the server" if leaf.role == SERVER else "the admin's certificate and key"
            raise leaf.secret.missing(
                f"{what} (keys tls.crt and tls.key)",
                f"create it, or give the key of the CA in {self._ca} to sign one with, as Secret '{self._key.name}' "
                "(keys tls.crt and tls.key)",
            )

    def _warn_of_given(self, leaf: Leaf, found: Certificate) -> None:
        if self._is_requested(leaf):
            return
        if found.renew(self._moment.wishes.renew_before, self._moment.now):
            self._warn("CertificateExpiresSoon", f"{leaf.words} expires at {certificates.rfc3339(found)}; replace it")
        inside = self._names.service_names[2]
        if leaf.role == SERVER and not found.covers(inside):
            self._warn(
                "CertificateLacksServiceName",
                f"{leaf.words} is not for '{inside}': inside the cluster the hub can only be reached as "
                f"'{self._names.host}', set hub_host to that",
            )

    def _warn_of_kept_key(self, since: str) -> None:
        """A key that the operator made is not taken away by it: only the site knows when nobody is to follow it."""
        if self._is_ours(self._key):
            self._warn(
                "KeptKeySigns",
                f"{since}, but {self._key} still holds the key of the operator's own CA, which signs for KojiUsers and "
                f"KojiBuilders as long as it is there; to have them follow: {self._without_key}",
            )

    @property
    def _without_key(self) -> str:
        """What to type so that the operator's own CA signs no more."""
        return f"kubectl delete secret {self._key.name} -n {self._names.namespace}"

    def _is_requested(self, leaf: Leaf) -> bool:
        """Whether cert-manager makes it: a Secret that somebody else gives stays as it is."""
        return bool(self._issuer) and not self._is_given(leaf.secret)

    # What is read of the CA's Secrets.

    def _read_ca(self) -> tuple[str, list[Certificate]]:
        text = self._ca.require("ca.crt", "the CA's certificate as PEM")
        try:
            trusted = certificates.read_all(text)
        except certificates.CertificateError as error:
            raise Problem(
                "InvalidCertificate", f"the CA in {self._ca} can't be used: key 'ca.crt' is {error}"
            ) from error
        if all(one.expires <= self._moment.now for one in trusted):
            ended = certificates.rfc3339(max(trusted, key=lambda one: one.expires))
            message = f"the CA in {self._ca} (key 'ca.crt') expired at {ended}; replace it with one that is valid"
            raise Problem("CertificateExpired", message)
        return text, trusted

    def _read_key(self, trusted: Sequence[Certificate]) -> Pair | None:
        """Who signs; None without the Secret. Raises Problem if it can't."""
        if not self._key.there:
            return None
        text = self._key.require("tls.crt", "the CA's certificate as PEM")
        key = self._key.require("tls.key", "the CA's private key as PEM, without a password")
        try:
            found = certificates.read(text, key)
        except certificates.CertificateError as error:
            message = f"the CA's key in {self._key} (keys 'tls.crt' and 'tls.key') can't be used: {error}"
            raise Problem("InvalidCertificate", message) from error
        if found.expires <= self._moment.now:
            message = f"the CA in {self._key} (key 'tls.crt') expired at {certificates.rfc3339(found)}; renew it"
            raise Problem("CertificateExpired", message)
        if trusted and not certificates.chain(found, certificates.readable(text)[1:], trusted):
            or_none = f"; if the operator is to sign nothing: {self._without_key}" if self._is_ours(self._key) else ""
            raise Problem(
                "CertificateFromAnotherCA",
                f"the CA '{found.subject}' in {self._key} is not in key 'ca.crt' of {self._ca}, so nobody would trust "
                f"what it signs; add it there, or give the key of that CA{or_none}",
            )
        return Pair(found, text, key)

    def _known(self) -> list[Certificate]:
        """The CAs that clients trust now, for when the Secret with the key is lost."""
        for secret in (self._ca, self._server.secret, self._admin.secret):
            if self._is_ours(secret) and certificates.readable(secret.text("ca.crt")):
                return certificates.readable(secret.text("ca.crt"))
        return []

    def _still_needed(self, *signers: Certificate) -> list[Certificate]:
        """CAs of our ca.crt that don't sign any more, while somebody has a certificate by them or pods are old."""
        old = [
            one
            for one in certificates.readable(self._ca.text("ca.crt"))
            if one not in signers and one.expires > self._moment.now
        ]
        if old and not self._followers.signed_by(old) and self._followers.rolled_out():
            return []
        return old
