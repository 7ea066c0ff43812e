# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Kubernetes' own types as schemas for CRDs, from what an API server publishes at /openapi/v2.

A CRD must hold the whole schema of a field, `$ref` is not allowed. So the definitions needed are kept in
config/crd/src/kubernetes.json, and expanded here. To renew that file from another cluster:

    kubectl get --raw /openapi/v2 >openapi.json; kubectl get --raw /version >version.json
    python -m tools.kubernetes_types openapi.json version.json
"""

from __future__ import annotations

import argparse
import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Schema = dict[str, Any]

EXTRACT = ROOT / "config" / "crd" / "src" / "kubernetes.json"

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

_REF = "#/definitions/"
_DECIMAL = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
_NUMBER_OR_TEXT: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
# OpenAPI v2 can't say "number or text", nor that only two of ObjectMeta's fields count in a template.
_SPECIAL: dict[str, Schema] = {
    QUANTITY: {
        **_NUMBER_OR_TEXT,
        "description": "An amount, such as 2, 500m, 4Gi, or with quotes '0.5'.",
        # the pattern that controller-gen writes for this type
        "pattern": rf"^(\+|-)?{_DECIMAL}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_DECIMAL}))?$",
    },
    INT_OR_STRING: {**_NUMBER_OR_TEXT, "description": "A number, or a percentage or name."},
    OBJECT_META: {
        "type": "object",
        "description": "Labels and annotations of what is made.",
        "properties": {
            key: {
                "type": "object",
                "description": f"The {key}.",
                "additionalProperties": {"type": "string", "description": "The value."},
            }
            for key in ("annotations", "labels")
        },
    },
}
# What a structural schema keeps. Not kept: enum, for the API server accepts '' and newer values as well; patch hints.
_KEPT = (
    "type",
    "format",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
)
# A sentence ends at a full stop or a blank line, or where a link follows without one.
_SENTENCE_END = re.compile(r"(?<!i\.e)(?<!e\.g)\.(\s|$)|\n| More info:")


@functools.cache
def extract() -> Schema:
    """The committed extract: {"version", "definitions"}."""
    loaded: Schema = json.loads(EXTRACT.read_text(encoding="utf-8"))
    return loaded


def expand(name: str, only: Iterable[str] | None = None) -> Schema:
    """The structural schema of a type, all references replaced; with `only` just those of its properties."""
    definitions = extract()["definitions"]
    if name in _SPECIAL:
        return json.loads(json.dumps(_SPECIAL[name]))  # type: ignore[no-any-return]
    if name not in definitions:
        raise KeyError(f"{name} is not in {EXTRACT.name}; see tools/kubernetes_types.py how to renew it")
    return _structural(_reduced(definitions[name], only))


def first_sentence(text: str) -> str:
    """Kubernetes' descriptions are long; the first sentence says what the field is."""
    sentence = _SENTENCE_END.split(text.strip(), maxsplit=1)[0].strip()
    return sentence if sentence.endswith((".", ":")) else f"{sentence}."


def _reduced(schema: Schema, only: Iterable[str] | None) -> Schema:
    if only is None:
        return schema
    wanted = list(only)
    missing = set(wanted) - set(schema["properties"])
    if missing:
        raise KeyError(f"no such properties: {', '.join(sorted(missing))}")
    required = [name for name in schema.get("required", []) if name in wanted]
    reduced = {**schema, "properties": {name: schema["properties"][name] for name in wanted}}
    return {**reduced, "required": required} if required else {k: v for k, v in reduced.items() if k != "required"}


def _structural(schema: Schema) -> Schema:
    if "$ref" in schema:
        found = expand(schema["$ref"].removeprefix(_REF))
        return {**found, "description": first_sentence(schema["description"])} if "description" in schema else found
    result = {key: schema[key] for key in _KEPT if key in schema}
    if schema.get("description"):
        result["description"] = first_sentence(schema["description"])
    if "properties" in schema:
        result["properties"] = {name: _structural(value) for name, value in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in schema:
            result[key] = _structural(schema[key])
            result[key].setdefault("description", "One entry.")
    return result


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(_REF)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def reachable(definitions: Schema, roots: Iterable[tuple[str, tuple[str, ...] | None]]) -> Schema:
    """The definitions that the roots (type, its wanted properties or None for all) need, sorted by name."""
    needed: Schema = {}
    open_ = [(name, only) for name, only in roots if name not in _SPECIAL]
    while open_:
        name, only = open_.pop()
        schema = _reduced(definitions[name], only)
        known = needed.get(name)
        if known is not None and "properties" in known:
            merged = {**known["properties"], **schema["properties"]}
            if merged.keys() == known["properties"].keys():
                continue
            schema = {**definitions[name], "properties": merged}
        elif known is not None:
            continue
        needed[name] = schema
        open_ += [(found, None) for found in _references(schema) if found not in _SPECIAL]
    return dict(sorted(needed.items()))


def main() -> int:
    """Renew the extract."""
    from tools.crds import kubernetes_roots  # noqa: PLC0415  (it imports this module)

    parser = argparse.ArgumentParser(prog="python -m tools.kubernetes_types", description=main.__doc__)
    parser.add_argument("openapi", type=Path, help="what the API server answers at /openapi/v2")
    parser.add_argument("version", type=Path, help="what it answers at /version")
    args = parser.parse_args()
    published = json.loads(args.openapi.read_text(encoding="utf-8"))["definitions"]
    version = json.loads(args.version.read_text(encoding="utf-8"))["gitVersion"]
    found = {"version": version, "definitions": reachable(published, kubernetes_roots())}
    EXTRACT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"wrote {EXTRACT.relative_to(ROOT)}: {len(found['definitions'])} definitions of Kubernetes {version}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
