# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Which contents of the hub's image its pods run: a tag such as latest may have come to mean another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

CONTAINER = "hub"


@dataclass(frozen=True)
class Content:
    """One content, by its digest, and a node that has it, by a pod there."""

    digest: str
    node: str
    pod: str = ""


def of_pod(pod: Mapping[str, Any] | None, container: str) -> str:
    """The digest of what a container of a pod runs, '' before it is known."""
    for status in ((pod or {}).get("status") or {}).get("containerStatuses") or []:
        if status["name"] == container:
            # Which repository it came from makes no difference.
            return str(status.get("imageID") or "").rpartition("@")[2].removeprefix("docker://")
    return ""


def running(names: Names, reader: Reader, image: str) -> list[Content]:
    """Those of the pods that stay, the newest pod's first; an image by its digest has one only, and needs no look."""
    if "@" in image:
        return []
    labels = ",".join(f"{key}={value}" for key, value in names.selector.items())
    pods = [pod for pod in reader.list("Pod", names.namespace, labels) if _stays(pod, image)]
    pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)
    found = [Content(of_pod(pod, CONTAINER), pod["spec"].get("nodeName", ""), pod["metadata"]["name"]) for pod in pods]
    return [content for content in found if content.digest]


def _stays(pod: Mapping[str, Any], image: str) -> bool:
    """Whether it is not about to be replaced: it ends, or is of another image."""
    images = {one["name"]: one["image"] for one in pod["spec"].get("containers") or []}
    return not pod["metadata"].get("deletionTimestamp") and images.get(CONTAINER) == image


def always_pulled(image: str, policy: str) -> bool:
    """Whether each pod that starts has the newest content, whatever its node has already."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return policy == "Always" or (not policy and tag in {"", "latest"})


def on_node(affinity: Mapping[str, Any], node: str) -> dict[str, Any]:
    """A nodeAffinity, narrowed to one node: what its tag means now is the content of its pods, or a newer one."""
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    here = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = (affinity.get(key) or {}).get("nodeSelectorTerms") or [{}]
    narrowed = [{**term, "matchFields": [*(term.get("matchFields") or []), here]} for term in terms]
    return {**affinity, key: {"nodeSelectorTerms": narrowed}}
