# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The CA that the operator made for a hub: who signs now, who else is trusted, and its rotation.

The Secret with the key holds all there is to know: `tls` signs; `next`, if there is one, is trusted already and will
sign; `previous` don't sign any more and are trusted for what they have signed. A rotation goes through these steps, and
each waits until the one before has reached everyone:

1. a new CA is made as `next`, and everyone's ca.crt gets it;
2. it becomes `tls`, the old one becomes `previous`, and all certificates are issued anew;
3. `previous` goes.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.fedoraproject.koji.plugins.module_utils import certificates
from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Pair, issue, usable_pair
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.order import order
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate
    from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Wishes
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret

# On a KojiHub: another value asks for another CA. On the Secret with the key: the value that was last obeyed.
ROTATE = f"{GROUP}/rotate-ca"
# On a KojiHub: seconds that each step of a rotation lasts at least.
OVERLAP = f"{GROUP}/rotate-ca-overlap"
# On the Secret with the key: when the step began.
SINCE = f"{GROUP}/rotate-ca-since"
# Nodes give pods a changed Secret within two minutes, and a scheduler's process, which reads the CA once, lasts five.
DEFAULT_OVERLAP = datetime.timedelta(minutes=10)
# Longer than any certificate that it signs, by so much.
CA_LIFE = datetime.timedelta(days=3650)
_MOST_OLD = 16


class Followers(Protocol):
    """Those who have to follow when the CA changes."""

    def lacking(self, new: Certificate, trusted: Sequence[Certificate]) -> list[str]:
        """Secrets that carry one of the trusted CAs, but not the new one."""

    def signed_by(self, old: Sequence[Certificate]) -> list[str]:
        """Secrets whose certificate is by one of these."""

    def rolled_out(self) -> bool:
        """Whether all pods of the hub have what the Secrets hold now."""


@dataclass(frozen=True)
class Moment:
    """What a look at the CA depends on, beside the Secret: names, wishes, time, the hub's annotations."""

    fullname: str
    wishes: Wishes
    now: datetime.datetime
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def overlap(self) -> datetime.timedelta:
        """How long each step lasts at least."""
        seconds = self.annotations.get(OVERLAP, "")
        # Nine digits are 31 years.
        return datetime.timedelta(seconds=int(seconds)) if _is_number(seconds) else DEFAULT_OVERLAP

    @property
    def overlap_is_bad(self) -> bool:
        """Whether the annotation says something else than seconds."""
        return OVERLAP in self.annotations and not _is_number(self.annotations[OVERLAP])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


class OwnAuthority:
    """Reads the Secret with the key. `known`: what clients trust now, for when that Secret is lost."""

    def __init__(self, secret: Secret, known: Sequence[Certificate], moment: Moment) -> None:
        self._secret = secret
        self._moment = moment
        self.signer = self._valid(usable_pair(secret.text("tls.crt"), secret.text("tls.key")))
        self.next = self._valid(usable_pair(secret.text("next.crt"), secret.text("next.key")))
        if self.signer and self.next and self.next.certificate == self.signer.certificate:
            self.next = None
        old = certificates.readable(secret.text("tls.crt"))[:1] + certificates.readable(secret.text("previous.crt"))
        if not self.signer:
            old += known
        now = [pair.certificate for pair in (self.signer, self.next) if pair]
        alive = [one for one in dict.fromkeys(old) if one.expires > moment.now and one not in now]
        self.old = alive[:_MOST_OLD]
        self.rotation = ""

    @property
    def issuer(self) -> Pair | None:
        """Who signs what can't wait: without a signer it is the next one."""
        return self.signer or self.next

    @property
    def trusted(self) -> list[Certificate]:
        """What everyone's ca.crt is to hold; first who signs."""
        now = [pair.certificate for pair in (self.signer, self.next) if pair]
        # Who has lost its key comes first until the next one signs.
        return [*now, *self.old] if self.signer else [*self.old, *now]

    @property
    def annotations(self) -> dict[str, str]:
        """Those of ours that the Secret has, for when it is written."""
        return {key: value for key, value in self._secret.annotations.items() if key in {ROTATE, SINCE}}

    def step(self, followers: Followers) -> dict[str, Any] | None:
        """What is to be written into the Secret now, or None; `rotation` says what is being waited for."""
        if not self.signer and not self.next:
            return self._replace() if self.old else self._make()
        if self.next:
            self.rotation = self._wait_for_carriers(followers)
            return None if self.rotation else self._promote()
        if self._secret.text("previous.crt"):
            self.rotation = self._wait_for_leaves(followers)
            return None if self.rotation else self._write({}, self.annotations)
        if self._is_due():
            self.rotation = "a new CA is being made"
            return self._write({}, self._since_now(), into="next")
        return None

    def _valid(self, pair: Pair | None) -> Pair | None:
        return pair if pair and pair.certificate.expires > self._moment.now else None

    def _is_due(self) -> bool:
        assert self.signer  # noqa: S101  (step has seen to it)
        token = self._moment.annotations.get(ROTATE, "")
        wishes = self._moment.wishes
        # A certificate that is signed now must not outlive who signs it.
        lead = datetime.timedelta(days=wishes.days) + wishes.renew_before
        asked = bool(token) and token != self._secret.annotations.get(ROTATE, "")
        return asked or self.signer.certificate.renew(lead, self._moment.now)

    def _make(self) -> dict[str, Any]:
        """The first CA; or one in place of what nobody trusts any more."""
        return order(
            self._secret,
            "ca",
            {},
            issue=self._issue("tls"),
            annotations={ROTATE: self._moment.annotations.get(ROTATE, "")},
        )

    def _replace(self) -> dict[str, Any]:
        """The key is lost: the certificates that it signed stay good until the next CA is known to everyone."""
        self.rotation = "the CA's key is lost, a new CA is being made"
        data = {"tls.crt": self.old[0].pem, "tls.key": "", "previous.crt": _join(self.old[1:])}
        return order(self._secret, "ca", data, issue=self._issue("next"), annotations=self._since_now(), replace=True)

    def _promote(self) -> dict[str, Any]:
        assert self.next  # noqa: S101
        old = [self.signer.certificate] if self.signer else []
        data = {"tls.crt": self.next.text, "tls.key": self.next.key, "previous.crt": _join([*old, *self.old])}
        self.rotation = "the new CA begins to sign"
        return order(self._secret, "ca", data, annotations={**self.annotations, **self._since_now()})

    def _write(self, data: Mapping[str, str], annotations: Mapping[str, str], into: str = "") -> dict[str, Any]:
        assert self.signer  # noqa: S101
        kept = {"tls.crt": self.signer.text, "tls.key": self.signer.key, **data}
        made = self._issue(into) if into else None
        return order(self._secret, "ca", kept, issue=made, annotations=annotations)

    def _issue(self, into: str) -> dict[str, Any]:
        moment = self._moment
        life = CA_LIFE + datetime.timedelta(days=moment.wishes.days) + moment.wishes.renew_before
        # Each CA has a name of its own: TLS libraries look for the signer by name.
        name = f"{moment.fullname} CA {moment.now:%Y%m%dT%H%M%S}"
        return issue(name, moment.wishes.key_type, moment.now + life, into=into)

    def _since_now(self) -> dict[str, str]:
        token = self._moment.annotations.get(ROTATE, "") or self._secret.annotations.get(ROTATE, "")
        return {ROTATE: token, SINCE: f"{self._moment.now:%Y-%m-%dT%H:%M:%SZ}"}

    def _lasts_for(self) -> datetime.timedelta:
        """How long this step still lasts at least."""
        try:
            began = datetime.datetime.strptime(self._secret.annotations.get(SINCE, ""), "%Y-%m-%dT%H:%M:%S%z")
            return began + self._moment.overlap - self._moment.now
        except (ValueError, OverflowError):
            return datetime.timedelta()

    def _wait_for_carriers(self, followers: Followers) -> str:
        assert self.next  # noqa: S101
        lacking = followers.lacking(
            self.next.certificate, [one for one in self.trusted if one != self.next.certificate]
        )
        if lacking:
            return f"step 1 of 3, the new CA is not yet in ca.crt of {_some(lacking)}"
        return self._wait("step 1 of 3", followers)

    def _wait_for_leaves(self, followers: Followers) -> str:
        signed = followers.signed_by(self.old)
        if signed:
            return f"step 2 of 3, the new CA has not yet signed {_some(signed)}"
        return self._wait("step 2 of 3", followers)

    def _wait(self, step: str, followers: Followers) -> str:
        if not followers.rolled_out():
            return f"{step}, the hub's pods are being renewed"
        seconds = self._lasts_for().total_seconds()
        return f"{step}, for {seconds:.0f} seconds more, until it has reached all pods" if seconds > 0 else ""


def _join(those: Sequence[Certificate]) -> str:
    return "".join(one.pem for one in those)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f"Secret '{name}'" for name in names[:5]) + more
