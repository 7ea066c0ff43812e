# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Make config/crd/bases/ out of config/crd/src/.

A source has the kind's names, printer columns, and the schemas of spec and status. In a schema

    $include: NAME            is replaced by the type NAME of shared/types.yaml,
    $kubernetes: TYPE         by Kubernetes' type of that name, `$only: [...]` by those of its properties,
    $type: TYPE               only says that it is that type of Kubernetes',
    $properties: [FILE, ...]  adds the properties in shared/FILE.yaml;

what stands beside them wins. Everything else is OpenAPI as the API server reads it.
"""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any

import yaml

from tools import generated, kubernetes_types
from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Schema = dict[str, Any]

GROUP = "apps.fedoraproject.org"
VERSION = "v1alpha1"
SOURCES = ROOT / "config" / "crd" / "src"
BASES = ROOT / "config" / "crd" / "bases"
COMMAND = "python -m tools.crds"
HEADER = f"""\
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
# Made by `{COMMAND}` out of config/crd/src; don't edit.
# yamllint disable rule:line-length
"""
# Objects of a CR are called after it, with up to 23 characters more, and a name may have 63.
MAX_NAME = 40

# Left in an expanded schema for the reference and the table of fields: the Kubernetes type that a subtree is.
TYPE_MARK = "$type"
_DIRECTIVES = ("$include", "$kubernetes", "$only", "$properties")


class _Dumper(yaml.SafeDumper):
    """Sequences are indented below their key, as yamllint wants it; no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def dump(document: object) -> str:
    """YAML as the repository has it; keys keep their order."""
    return "---\n" + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=118, allow_unicode=True)


@functools.cache
def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _shared(name: str) -> Schema:
    return copy.deepcopy(_load(SOURCES / "shared" / f"{name}.yaml"))


def expand(schema: Schema) -> Schema:
    """The schema with all directives replaced, marks left in."""
    base: Schema = {}
    if "$include" in schema:
        types = _shared("types")
        if schema["$include"] not in types:
            raise KeyError(f"no type {schema['$include']!r} in shared/types.yaml")
        base = expand(types[schema["$include"]])
    elif "$kubernetes" in schema:
        base = kubernetes_types.expand(schema["$kubernetes"], schema.get("$only"))
        base[TYPE_MARK] = schema["$kubernetes"]
    own = {key: value for key, value in schema.items() if key not in _DIRECTIVES}
    if "properties" in own or "$properties" in schema:
        properties = dict(own.get("properties", {}))
        for name in schema.get("$properties", []):
            for field, value in _shared(name).items():
                properties.setdefault(field, value)
        own["properties"] = {field: expand(value) for field, value in properties.items()}
    for key in ("items", "additionalProperties"):
        if key in own:
            own[key] = expand(own[key])
    merged = {**base, **own}
    ordered = ("description", "type", "format")
    return {key: merged[key] for key in (*ordered, *(k for k in merged if k not in ordered)) if key in merged}


def unmarked(schema: Any) -> Any:
    """The same without marks."""
    if isinstance(schema, dict):
        return {key: unmarked(value) for key, value in schema.items() if key != TYPE_MARK}
    return [unmarked(value) for value in schema] if isinstance(schema, list) else schema


def crd(source: Schema) -> Schema:
    """The CustomResourceDefinition of one source."""
    plural, kind = source["plural"], source["kind"]
    subresources: Schema = {"status": {}}
    if source.get("scale"):
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    # What a kind can't do without has defaults, so `spec: {}` is enough, but it must be there for them to be applied.
    schema: Schema = {
        "description": source["description"],
        "type": "object",
        "required": ["spec"],
        "x-kubernetes-validations": [
            {
                "rule": f"self.metadata.name.size() <= {MAX_NAME}",
                "message": f"metadata.name may have {MAX_NAME} characters at most: other objects are called after it",
                "fieldPath": ".metadata.name",
            }
        ],
        "properties": {
            "apiVersion": {"description": f"{GROUP}/{VERSION}.", "type": "string"},
            "kind": {"description": f"{kind}.", "type": "string"},
            # the API server knows metadata itself and allows no more here; the rule's fieldPath needs the name
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": unmarked(expand(source["spec"])),
            "status": unmarked(expand(source["status"])),
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "koji-operator", "app.kubernetes.io/part-of": "koji-operator"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": source["short_names"],
                "categories": ["koji"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": subresources,
                    "additionalPrinterColumns": source["columns"],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def sources() -> list[Schema]:
    """All sources, sorted by kind."""
    return [_load(path) for path in sorted(SOURCES.glob("*.yaml"))]


def all_crds() -> list[Schema]:
    """All CRDs, sorted by kind."""
    return [crd(source) for source in sources()]


def kubernetes_roots() -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Kubernetes' types that the sources name, with the properties wanted."""

    def walk(value: object) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        if isinstance(value, dict):
            if "$kubernetes" in value:
                yield value["$kubernetes"], tuple(value["$only"]) if "$only" in value else None
            for child in value.values():
                yield from walk(child)
        elif isinstance(value, list):
            for child in value:
                yield from walk(child)

    for path in sorted(SOURCES.rglob("*.yaml")):
        yield from walk(_load(path))


def files() -> dict[Path, str]:
    """Path -> text of what is generated."""
    return {BASES / f"{GROUP}_{made['spec']['names']['plural']}.yaml": HEADER + dump(made) for made in all_crds()}


if __name__ == "__main__":
    raise SystemExit(generated.main(COMMAND, (__doc__ or "").splitlines()[0], files))
