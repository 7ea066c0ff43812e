# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which Kojira of a namespace works: one, the oldest; it begins when no other's pod is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira.names import EVERY, INSTANCE
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

REASON = "AnotherKojiraActive"


def oldest(kojiras: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one that works, of those that stay: the oldest, of the same second that with the lower UID."""
    staying = [item for item in kojiras if not item["metadata"].get("deletionTimestamp")]
    return min(staying, key=_age, default=None)


def _age(item: Mapping[str, Any]) -> tuple[str, str]:
    metadata = item["metadata"]
    return str(metadata.get("creationTimestamp") or ""), str(metadata["uid"])


def check(resource: Mapping[str, Any], reader: Reader) -> None:
    """Raise Problem unless this Kojira may work now."""
    metadata = resource["metadata"]
    namespace = metadata["namespace"]
    others = [item for item in reader.list("Kojira", namespace) if item["metadata"]["uid"] != metadata["uid"]]
    first = oldest([resource, *others])
    if first is not None and first["metadata"]["uid"] != metadata["uid"]:
        raise Problem(
            REASON,
            f"Kojira '{first['metadata']['name']}' is older, and one kojira regenerates the repositories of a "
            "namespace's hub; this one takes over when that one is deleted: delete one of the two",
        )
    labels = ",".join(f"{key}={value}" for key, value in EVERY.items())
    for kind in ("Deployment", "Pod"):
        for item in reader.list(kind, namespace, labels):
            owner = (item["metadata"].get("labels") or {}).get(INSTANCE, "")
            if owner != metadata["name"]:
                raise Problem(
                    REASON,
                    f"Kojira '{owner}' ends, and this one takes over: {kind} '{item['metadata']['name']}' is still "
                    "there",
                    progressing=True,
                )
