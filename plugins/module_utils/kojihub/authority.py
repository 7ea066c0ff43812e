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
    from collections.abc import Callable, Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.certificates import Certificate
    from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import Wishes
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secret

# On a KojiHub: another value asks for another CA. On the Secret with the key: the value that was last obeyed.
ROTATE = f"{GROUP}/rotate-ca"
# On a KojiHub: seconds that each step of a rotation lasts at least.
OVERLAP = f"{GROUP}/rotate-ca-overlap"
# On the Secret with the key: since when what a step has changed has been everywhere.
SINCE = f"{GROUP}/rotate-ca-since"
# Nodes give pods a changed Secret within two minutes, and a scheduler's process, which reads the CA once, lasts five.
DEFAULT_OVERLAP = datetime.timedelta(minutes=10)
# Longer than any certificate that it signs, by so much.
CA_LIFE = datetime.timedelta(days=3650)
_MOST_OLD = 16
_KEYS = frozenset({"tls.crt", "tls.key", "next.crt", "next.key", "previous.crt"})


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

    def step(self, followers: Followers) -> dict[str, Any] | None:
        """What is to be written into the Secret now, or None; `rotation` says what is being waited for."""
        if not self.signer and not self.next:
            return self._replace() if self.old else self._make()
        if self.next:
            new, trusted = self.next.certificate, [one for one in self.trusted if one != self.next.certificate]
            lacking = followers.lacking(new, trusted)
            missing = f"the new CA is not yet in ca.crt of {_some(lacking)}" if lacking else ""
            return self._go_on("step 1 of 3", missing, followers, self._promote)
        if self._secret.text("previous.crt"):
            signed = followers.signed_by(self.old)
            missing = f"the new CA has not yet signed {_some(signed)}" if signed else ""
            return self._go_on("step 2 of 3", missing, followers, self._forget)
        return self._begin() if self._is_due() else None

    def _go_on(
        self, step: str, missing: str, followers: Followers, then: Callable[[], dict[str, Any]]
    ) -> dict[str, Any] | None:
        """Take the next step when what this one has changed has been everywhere for long enough."""
        since = self._since()
        if missing:
            self.rotation = f"{step}, {missing}"
            return self._note("") if since else None
        if not followers.rolled_out():
            self.rotation = f"{step}, the hub's pods are being renewed"
            return None
        left = self._moment.overlap - (self._moment.now - since if since else datetime.timedelta())
        self.rotation = f"{step}, for {left.total_seconds():.0f} seconds more, until it has reached all pods"
        if since is None:
            return self._note(f"{self._moment.now:%Y-%m-%dT%H:%M:%SZ}")
        return None if left > datetime.timedelta() else then()

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
            annotations=self._obeyed(),
        )

    def _replace(self) -> dict[str, Any]:
        """The key is lost: the certificates that it signed stay good until the next CA is known to everyone."""
        self.rotation = "the CA's key is lost, a new CA is being made"
        data = {"tls.crt": self.old[0].pem, "tls.key": "", "previous.crt": _join(self.old[1:])}
        return order(self._secret, "ca", data, issue=self._issue("next"), annotations=self._obeyed(), replace=True)

    def _begin(self) -> dict[str, Any]:
        self.rotation = "a new CA is being made"
        return order(self._secret, "ca", self._now(), issue=self._issue("next"), annotations=self._obeyed())

    def _promote(self) -> dict[str, Any]:
        assert self.next  # noqa: S101
        self.rotation = "the new CA begins to sign"
        old = [self.signer.certificate] if self.signer else []
        data = {"tls.crt": self.next.text, "tls.key": self.next.key, "previous.crt": _join([*old, *self.old])}
        return order(self._secret, "ca", data, annotations=self._kept_annotations())

    def _forget(self) -> dict[str, Any]:
        self.rotation = "step 3 of 3, the old CA goes"
        return order(self._secret, "ca", self._now(), annotations=self._kept_annotations())

    def _note(self, since: str) -> dict[str, Any]:
        """The Secret as it is, but with the time from which this step has been everywhere."""
        data = {key: text for key, text in self._secret.texts.items() if key in _KEYS}
        return order(self._secret, "ca", data, annotations={**self._kept_annotations(), SINCE: since})

    def _now(self) -> dict[str, str]:
        """Who signs, and nobody else."""
        assert self.signer  # noqa: S101
        return {"tls.crt": self.signer.text, "tls.key": self.signer.key}

    def _kept_annotations(self) -> dict[str, str]:
        return {ROTATE: self._secret.annotations.get(ROTATE, "")}

    def _obeyed(self) -> dict[str, str]:
        return {ROTATE: self._moment.annotations.get(ROTATE, "") or self._secret.annotations.get(ROTATE, "")}

    def _since(self) -> datetime.datetime | None:
        """From when this step has been everywhere; None before, and for what can't be."""
        try:
            began = datetime.datetime.strptime(self._secret.annotations.get(SINCE, ""), "%Y-%m-%dT%H:%M:%S%z")
        except ValueError:
            return None
        return began if began <= self._moment.now else None

    def _issue(self, into: str) -> dict[str, Any]:
        moment = self._moment
        life = CA_LIFE + datetime.timedelta(days=moment.wishes.days) + moment.wishes.renew_before
        # Each CA has a name of its own: TLS libraries look for the signer by name.
        name = f"{moment.fullname} CA {moment.now:%Y%m%dT%H%M%S}"
        return issue(name, moment.wishes.key_type, moment.now + life, into=into)


def _join(those: Sequence[Certificate]) -> str:
    return "".join(one.pem for one in those)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f"Secret '{name}'" for name in names[:5]) + more
