# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The hub's own two certificates, its server's and its admin's: given ones are checked, others kept in line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Pair, chained, issue, usable_pair
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.order import order
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate
    from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Wishes
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret

SERVER, ADMIN = "server", "admin"
_WORDS = {SERVER: "the server's certificate", ADMIN: "the admin's certificate"}
_USES = {SERVER: certificates.SERVER, ADMIN: certificates.CLIENT}


@dataclass(frozen=True)
class Signers:
    """`issuer` signs what is issued now, `good` are those whose certificates stay, `bundle` is everyone's ca.crt."""

    issuer: Pair | None
    good: Sequence[Certificate]
    bundle: str


@dataclass(frozen=True)
class Leaf:
    """One certificate as it should be. `names`: the DNS names that it is for, `needed` those that clients use."""

    role: str
    secret: Secret
    common_name: str
    names: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What messages call it."""
        return f"{_WORDS[self.role]} in {self.secret}"

    def current(self) -> Pair | None:
        """What the Secret holds, if that is a certificate with its key."""
        return usable_pair(*self._texts())

    def check(self, ca_secret: Secret, trusted: Sequence[Certificate], now: datetime.datetime) -> Pair:
        """A given one, as it is. Raises Problem with what is wrong, which key it is, and what to do."""
        keys = ("client.pem", "client.pem") if self._in_one_file() else ("tls.crt", "tls.key")
        text = self.secret.require(keys[0], "the certificate as PEM")
        key = self.secret.require(keys[1], "its private key as PEM, without a password")
        try:
            found = certificates.read(text)
        except certificates.CertificateError as error:
            raise Problem("InvalidCertificate", f"{self.words} can't be used: key '{keys[0]}' is {error}") from error
        try:
            certificates.read(text, key)
        except certificates.CertificateError as error:
            message = f"{self.words} can't be used: key '{keys[1]}': {error}; give the key that belongs to it"
            raise Problem("InvalidCertificate", message) from error
        self._check_time(found, now)
        self._check_name(found)
        if not found.serves(_USES[self.role]):
            wanted = "serverAuth" if self.role == SERVER else "clientAuth"
            message = (
                f"{self.words} is not for this use (extendedKeyUsage has no {wanted}); replace it with one that is"
            )
            raise Problem("CertificateForAnotherUse", message)
        found_chain = certificates.chain(found, certificates.readable(text)[1:], trusted)
        if not found_chain:
            raise Problem(
                "CertificateFromAnotherCA",
                f"{self.words} is signed by '{found.issuer}', which is no CA in key 'ca.crt' of {ca_secret}; give one "
                "that is signed by it, or name a Secret with the CA that has signed it in ca_cert_secret",
            )
        for one in found_chain[1:]:
            if one.expires <= now:
                message = f"the CA '{one.subject}' of {self.words} expired at {certificates.rfc3339(one)}; renew it"
                raise Problem("CertificateExpired", message)
        return Pair(found, text, key)

    def _in_one_file(self) -> bool:
        """Whether the certificate is where koji's tools want it: with its key in one text."""
        return self.role == ADMIN and bool(self.secret.text("client.pem")) and not self.secret.text("tls.crt")

    def _texts(self) -> tuple[str, str]:
        if self._in_one_file():
            return self.secret.text("client.pem"), self.secret.text("client.pem")
        return self.secret.text("tls.crt"), self.secret.text("tls.key")

    def _check_time(self, found: Certificate, now: datetime.datetime) -> None:
        if found.expires <= now:
            message = f"{self.words} expired at {certificates.rfc3339(found)}; replace it with one that is valid"
            raise Problem("CertificateExpired", message)
        if found.parsed.not_valid_before_utc > now:
            begins = found.parsed.not_valid_before_utc.isoformat()
            message = f"{self.words} is not valid before {begins}; replace it, or set the clock"
            raise Problem("CertificateNotYetValid", message)

    def _check_name(self, found: Certificate) -> None:
        if self.role == ADMIN and found.common_name != self.common_name:
            raise Problem(
                "CertificateForAnotherUser",
                f"{self.words} is for '{found.common_name}', but admin_username is '{self.common_name}': their names "
                "must be the same",
            )
        missed = [name for name in self.needed if not found.covers(name)]
        if missed:
            names = ", ".join(found.dns_names) or "no DNS name"
            message = (
                f"{self.words} is for {names}, but clients connect to {missed[0]}; replace it with one for that name"
            )
            raise Problem("CertificateForAnotherName", message)

    def bring_in_line(
        self, signers: Signers, wishes: Wishes, now: datetime.datetime, *, kept: bool
    ) -> dict[str, Any] | None:
        """What to write into a Secret of ours, or None; it is issued anew only where that is needed."""
        current = self.current()
        bundle = signers.bundle + "\n"
        made = self._issue(current, signers, wishes, now)
        if made:
            return order(self.secret, self.role, {"ca.crt": bundle}, issue=made, kept=kept)
        if current is None:
            return None
        text = chained(current, signers.issuer)
        data = {"tls.crt": text, "tls.key": current.key, "ca.crt": bundle}
        if self.role == ADMIN:
            data["client.pem"] = f"{text.strip()}\n{current.key.strip()}\n"
        if all(self.secret.text(key) == text.strip() for key, text in data.items()):
            return None
        return order(self.secret, self.role, data, kept=kept)

    def _issue(
        self, current: Pair | None, signers: Signers, wishes: Wishes, now: datetime.datetime
    ) -> dict[str, Any] | None:
        if signers.issuer is None or (current and self._is_good(current.certificate, signers, wishes, now)):
            return None
        return issue(
            self.common_name,
            wishes.key_type,
            wishes.end(signers.issuer.certificate, now),
            key=self.secret.text("tls.key"),
            usage="serverAuth" if self.role == SERVER else "clientAuth",
            names=self.names,
            signer=signers.issuer,
        )

    def _is_good(self, found: Certificate, signers: Signers, wishes: Wishes, now: datetime.datetime) -> bool:
        return (
            wishes.in_time(found, signers.good, now)
            and found.common_name == self.common_name
            and sorted(found.dns_names) == sorted(name.lower() for name in self.names)
            and found.serves(_USES[self.role])
            and any(found.issued_by(one) for one in signers.good)
        )
