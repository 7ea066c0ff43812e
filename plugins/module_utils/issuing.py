# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""When a certificate of ours has to be issued anew, and what role koji_certificate needs to know for that."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate

_MINUTE = datetime.timedelta(minutes=1)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key; `text` may hold the certificates between it and the CA as well."""

    certificate: Certificate
    text: str = field(repr=False)
    key: str = field(repr=False)


def usable_pair(text: str, key: str) -> Pair | None:
    """The pair, or None for what is none."""
    try:
        return Pair(certificates.read(text, key), text, key) if key.strip() else None
    except certificates.CertificateError:
        return None


def chain(signer: Pair) -> str:
    """What a certificate by it carries along, as PEM, for who knows the root alone: '' where the signer is the root."""
    found, others = [signer.certificate], certificates.readable(signer.text)[1:]
    while following := next((one for one in others if one not in found and found[-1].issued_by(one)), None):
        found.append(following)
    return "".join(one.pem for one in found if not one.issued_by(one))


def chained(current: Pair, signer: Pair | None) -> str:
    """The text of a certificate as it would be issued now; as it is where somebody else has signed it."""
    if signer is None or not current.certificate.issued_by(signer.certificate):
        return current.text
    return current.certificate.pem + chain(signer)


@dataclass(frozen=True)
class Wishes:
    """What the field `certificate` of a resource asks for."""

    days: int = 365
    renew_before: datetime.timedelta = certificates.RENEW_BEFORE
    key_type: str = "ECDSA"

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Wishes:
        """Read the field; the CRD has the same defaults."""
        wanted = spec.get("certificate") or {}
        before = datetime.timedelta(days=wanted.get("renew_before_days") or certificates.RENEW_BEFORE.days)
        return cls(wanted.get("days") or cls.days, before, wanted.get("key_type") or cls.key_type)

    def in_time(self, found: Certificate, signers: Sequence[Certificate], now: datetime.datetime) -> bool:
        """Whether it need not be issued anew for its age."""
        # One that lasts as long as its CA would not last longer if it were.
        last = any(one.expires - found.expires <= _MINUTE for one in signers if found.issued_by(one))
        return found.expires > now and (last or not found.renew(self.renew_before, now))

    def end(self, signer: Certificate, now: datetime.datetime) -> datetime.datetime:
        """When a certificate that is issued now ends: not after its CA."""
        return min(now + datetime.timedelta(days=self.days), signer.expires)


def issue(
    common_name: str,
    key_type: str,
    until: datetime.datetime,
    *,
    into: str = "tls",
    key: str = "",
    usage: str = "",
    names: Sequence[str] = (),
    signer: Pair | None = None,
) -> dict[str, Any]:
    """What role koji_certificate is to make: for `usage` serverAuth or clientAuth, or a CA without.

    `into`: the keys <into>.crt and <into>.key of the Secret are for it.
    """
    return {
        "into": into,
        "common_name": common_name,
        "names": list(names),
        "usage": usage,
        "key": key if certificates.good_key(key) else "",
        "key_type": key_type,
        "not_after": until.strftime("%Y%m%d%H%M%SZ"),
        "signer_certificate": signer.certificate.pem if signer else "",
        "signer_key": signer.key if signer else "",
        "chain": chain(signer) if signer else "",
    }
