# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Task pods that differ from the builder's template, by the task's method or channel (spec.overrides)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONTAINER = "task"
IMAGE_VARIABLE = "KOJI_TASK_IMAGE"  # tells the runner which image it is in

# Our field -> what Kubernetes calls it: of the pod, of its container; each replaces the builder's as a whole.
POD_FIELDS = {
    "node_selector": "nodeSelector",
    "affinity": "affinity",
    "priority_class_name": "priorityClassName",
    "runtime_class_name": "runtimeClassName",
}
CONTAINER_FIELDS = {"image": "image", "resources": "resources"}
# These are added to the builder's.
ADDED_FIELDS = {"tolerations": "tolerations", "env": "env"}
# volume_sizes' fields -> the pod's emptyDirs, each for itself.
VOLUMES = {"work": "work", "mock": "mock", "mock_cache": "mock-cache", "tmp": "tmp"}


@dataclass(frozen=True)
class Override:
    """What is different about some tasks' pods. None: all methods, all channels, the builder's own deadline.

    `pod`: nodeSelector, affinity, priorityClassName, runtimeClassName, image, resources, tolerations, env as Kubernetes
    has them, and sizeLimits: volume -> quantity.
    """

    methods: frozenset[str] | None
    channels: frozenset[str] | None
    start_deadline: float | None
    pod: Mapping[str, Any]

    def fits(self, method: str, channel: str) -> bool:
        """Whether it is for a task."""
        return (self.methods is None or method in self.methods) and (self.channels is None or channel in self.channels)


def from_spec(override: Mapping[str, Any]) -> dict[str, Any]:
    """An item of spec.overrides as builder.json has it; '' is unset."""
    fields = {**POD_FIELDS, **CONTAINER_FIELDS, **ADDED_FIELDS}
    pod = {theirs: override[ours] for ours, theirs in fields.items() if override.get(ours) not in (None, "")}
    sizes = override.get("volume_sizes") or {}
    limits = {VOLUMES[name]: size for name, size in sizes.items() if given(size)}
    selecting = ("methods", "channels", "start_deadline")
    return {
        **{name: override[name] for name in selecting if override.get(name)},
        "pod": {**pod, **({"sizeLimits": limits} if limits else {})},
    }


def parse(raw: Mapping[str, Any]) -> Override:
    """Read what `from_spec` made."""
    methods, channels, deadline = (raw.get(name) for name in ("methods", "channels", "start_deadline"))
    return Override(
        None if methods is None else frozenset(methods),
        None if channels is None else frozenset(channels),
        None if deadline is None else float(deadline),
        dict(raw["pod"]),
    )


def fitting(overrides: Iterable[Override], method: str, channel: str) -> Override | None:
    """All overrides that fit a task as one: later ones win, field by field; None if none fits."""
    found = None
    for override in overrides:
        if override.fits(method, channel):
            found = override if found is None else _over(found, override)
    return found


def _over(first: Override, second: Override) -> Override:
    pod = {**first.pod, **second.pod}
    for name in ("tolerations", "env"):
        if name in first.pod and name in second.pod:
            pod[name] = _added(first.pod[name], second.pod[name])
    if "sizeLimits" in first.pod and "sizeLimits" in second.pod:
        pod["sizeLimits"] = {**first.pod["sizeLimits"], **second.pod["sizeLimits"]}
    deadline = first.start_deadline if second.start_deadline is None else second.start_deadline
    return Override(None, None, deadline, pod)


def _added(first: Iterable[Any], second: Iterable[Any]) -> list[Any]:
    """Both lists; what is in both, or has the same name, is there once, as in the second."""
    after = list(second)
    names = {item["name"] for item in after if "name" in item}
    return [item for item in first if item not in after and item.get("name") not in names] + after


def merge(spec: dict[str, Any], override: Override) -> None:
    """Change a pod's spec as an override wants it."""
    pod = override.pod
    container = next(one for one in spec["containers"] if one["name"] == CONTAINER)
    spec.update({name: pod[name] for name in POD_FIELDS.values() if name in pod})
    container.update({name: pod[name] for name in CONTAINER_FIELDS.values() if name in pod})
    if "tolerations" in pod:
        spec["tolerations"] = _added(spec.get("tolerations") or [], pod["tolerations"])
    env = list(container.get("env") or [])
    if "image" in pod:
        env = [{**item, "value": pod["image"]} if item["name"] == IMAGE_VARIABLE else item for item in env]
    if env or "env" in pod:
        container["env"] = _added(env, pod.get("env") or [])
    limits = pod.get("sizeLimits") or {}
    for volume in spec.get("volumes") or []:
        if volume["name"] in limits:
            volume["emptyDir"] = {**(volume.get("emptyDir") or {}), "sizeLimit": limits[volume["name"]]}
