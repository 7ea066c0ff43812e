# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Helpers to walk and use the schemas of the CRDs."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tools import crds

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

CRDS: dict[str, Schema] = {
    loaded["spec"]["names"]["kind"]: loaded
    for loaded in (yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(crds.BASES.glob("*.yaml")))
}
KINDS = sorted(CRDS)


@dataclass(frozen=True)
class Node:
    """One schema in a CRD's tree; `ours` is false inside a value of a Kubernetes type."""

    path: str
    schema: Schema
    ours: bool


def version(kind: str) -> Schema:
    """The kind's only version."""
    (only,) = CRDS[kind]["spec"]["versions"]
    return only  # type: ignore[no-any-return]


def root(kind: str) -> Schema:
    """The kind's whole schema."""
    return version(kind)["schema"]["openAPIV3Schema"]  # type: ignore[no-any-return]


def children(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """(what is added to the path, schema) one level below."""
    for name, child in schema.get("properties", {}).items():
        yield f".{name}", child
    for key, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield suffix, schema[key]


def walk(schema: Schema, marked: Schema, path: str, *, ours: bool = True) -> Iterator[Node]:
    """All nodes; `marked` is the same schema with the generator's marks, which say where Kubernetes' types are."""
    ours = ours and crds.TYPE_MARK not in marked
    yield Node(path, schema, ours)
    below = dict(children(marked))
    for suffix, child in children(schema):
        yield from walk(child, below[suffix], path + suffix, ours=ours)


def nodes(kind: str) -> list[Node]:
    """All nodes of spec and status."""
    (source,) = (source for source in crds.sources() if source["kind"] == kind)
    tree = root(kind)["properties"]
    return [node for part in ("spec", "status") for node in walk(tree[part], crds.expand(source[part]), part)]


def with_defaults(value: Any, schema: Schema) -> Any:
    """The value with the schema's defaults filled in, as the API server does it: outermost first."""
    if isinstance(value, dict):
        filled = copy.deepcopy(value)
        for name, child in schema.get("properties", {}).items():
            if name not in filled and "default" in child:
                filled[name] = copy.deepcopy(child["default"])
            if name in filled:
                filled[name] = with_defaults(filled[name], child)
        return filled
    if isinstance(value, list):
        return [with_defaults(entry, schema.get("items", {})) for entry in value]
    return value


def unknown(value: Any, schema: Schema, path: str) -> Iterator[str]:
    """Paths of fields that the schema hasn't, which the API server would prune."""
    if isinstance(value, dict) and "additionalProperties" not in schema:
        for name, child in value.items():
            if name in schema.get("properties", {}):
                yield from unknown(child, schema["properties"][name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(value, list):
        for entry in value:
            yield from unknown(entry, schema["items"], f"{path}[]")
