# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Secrets as a hub's files need them: texts, whether the operator made them, what to tell of one that is no good."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

PLAIN_TYPES = ("Opaque", "kubernetes.io/tls")


@dataclass(frozen=True)
class Secret:
    """One Secret, which may be absent: then `there` is false and all else is empty. `unreadable`: keys without text."""

    name: str
    namespace: str
    there: bool = False
    type: str = ""
    version: str = ""
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    unreadable: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """A key's text without blanks around it, '' without the key."""
        return given(self.texts.get(key))

    def has_labels(self, labels: Mapping[str, str]) -> bool:
        """Whether it has all of these: the operator's labels mark what it made, as kept Secrets have no owner."""
        return self.there and labels.items() <= self.labels.items()

    def require(self, key: str, what: str) -> str:
        """The key's text. Raises Problem with what it must hold."""
        if key in self.unreadable:
            raise Problem("InvalidSecret", f"{self}: key '{key}' is not text; it must hold {what}")
        if not self.text(key):
            kind = "" if self.type in PLAIN_TYPES or not self.type else f", which is of type {self.type},"
            raise Problem("MissingSecretKey", f"{self}{kind} has no key '{key}', or an empty one; it must hold {what}")
        return self.text(key)

    def missing(self, what: str, todo: str) -> Problem:
        """What to tell where it is absent."""
        return Problem("MissingSecret", f"{self} does not exist: it holds {what}; {todo}")

    def __str__(self) -> str:
        return f"Secret '{self.name}' in namespace '{self.namespace}'"


class Secrets:
    """Reads Secrets of a namespace, each one once."""

    def __init__(self, reader: Reader, namespace: str) -> None:
        self._reader = reader
        self._namespace = namespace
        self._read: dict[str, Secret] = {}

    def get(self, name: str) -> Secret:
        """The Secret, there or not."""
        if name not in self._read:
            item = self._reader.get("Secret", self._namespace, name)
            self._read[name] = self._parse(item) if item else Secret(name, self._namespace)
        return self._read[name]

    def made_by_operator(self, labels: str) -> list[Secret]:
        """All that have a label."""
        return [self._parse(item) for item in self._reader.list("Secret", self._namespace, labels)]

    def _parse(self, item: Mapping[str, Any]) -> Secret:
        metadata = item["metadata"]
        texts, unreadable = {}, set()
        for key, value in (item.get("data") or {}).items():
            try:
                texts[key] = base64.b64decode(value or "").decode()
            except (binascii.Error, ValueError):
                unreadable.add(key)
        return Secret(
            name=metadata["name"],
            namespace=self._namespace,
            there=True,
            type=item.get("type") or "",
            version=metadata.get("resourceVersion") or "",
            texts=texts,
            unreadable=frozenset(unreadable),
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
        )
