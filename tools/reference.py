# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Make docs/reference/ out of the CRDs' sources: one page a kind with every field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools import crds, generated, kubernetes_types
from tools.generated import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = ROOT / "docs" / "reference"
SAMPLES = ROOT / "config" / "samples"
COMMAND = "python -m tools.reference"
_API = "https://kubernetes.io/docs/reference/generated/kubernetes-api"
# Quantities and the like are values, not objects with a chapter of their own.
_VALUES = {kubernetes_types.QUANTITY: "quantity", kubernetes_types.INT_OR_STRING: "integer or string"}


def type_name(schema: Mapping[str, Any]) -> str:
    """What the field is, in Markdown: `string`, list of `string`, a link to Kubernetes' type."""
    if crds.TYPE_MARK in schema:
        return _kubernetes_type(schema[crds.TYPE_MARK], is_list=schema.get("type") == "array")
    if schema.get("type") == "array":
        return f"list of {type_name(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map to {type_name(schema['additionalProperties'])}"
    return f"{schema['type']}, {schema['format']}" if schema.get("format") == "date-time" else str(schema["type"])


def _kubernetes_type(name: str, *, is_list: bool) -> str:
    if name in _VALUES:
        return _VALUES[name]
    *_, group, version, kind = name.split(".")
    minor = ".".join(kubernetes_types.extract()["version"].lstrip("v").split(".")[:2])
    return f"{'list of ' if is_list else ''}[{kind}]({_API}/v{minor}/#{kind.lower()}-{version}-{group})"


def limits(schema: Mapping[str, Any]) -> list[str]:
    """What a value must be, in short sentences."""
    found = []
    if "enum" in schema:
        found.append("One of " + ", ".join(f"`{_plain(value)}`" for value in schema["enum"]) + ".")
    if schema.get("minimum"):  # that a count is not negative need not be said
        words = "More than" if schema.get("exclusiveMinimum") else "At least"
        found.append(f"{words} {schema['minimum']}.")
    if "maximum" in schema:
        found.append(f"At most {schema['maximum']}.")
    if "items" in schema and "enum" in schema["items"]:
        found += limits(schema["items"])
    return found


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()


def rows(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(field, type, default, description) of an object's properties, depth first; Kubernetes' types aren't entered."""
    for name, child in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        required = name in schema.get("required", [])
        default = f"`{_plain(child['default'])}`" if child.get("default") not in (None, {}) else ""
        default = default or ("required" if required else "")
        yield path, type_name(child), default, " ".join([child["description"], *limits(child)])
        if crds.TYPE_MARK in child:
            continue
        if "properties" in child:
            yield from rows(child, f"{path}.")
        elif "properties" in child.get("items", {}) and crds.TYPE_MARK not in child["items"]:
            yield from rows(child["items"], f"{path}[].")


def rules(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """The messages of the rules in a schema, each with where it holds."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield f"`{path}`: {rule['message']}"
    if crds.TYPE_MARK in schema and "properties" not in schema:
        return
    for name, child in schema.get("properties", {}).items():
        yield from rules(child, f"{path}.{name}")
        if isinstance(child.get("items"), dict):
            yield from rules(child["items"], f"{path}.{name}[]")


def page(source: Mapping[str, Any]) -> str:
    """The page of one kind."""
    kind = source["kind"]
    spec, status = crds.expand(source["spec"]), crds.expand(source["status"])
    sample = (SAMPLES / f"apps_v1alpha1_{kind.lower()}.yaml").read_text(encoding="utf-8")
    example = sample.split("\n---\n", 1)[1]
    lines = [
        f"<!-- Made by `{COMMAND}` out of config/crd/src; don't edit. -->",
        "",
        f"# {kind}",
        "",
        source["description"],
        "",
        f"API version `{crds.GROUP}/{crds.VERSION}`; short name `{source['short_names'][0]}`, "
        "and `kubectl get koji` lists all kinds. "
        f"The name may have {crds.MAX_NAME} characters at most."
        + (f" `kubectl scale {kind.lower()}/NAME --replicas=N` works." if source.get("scale") else ""),
        "",
        "```yaml",
        example.rstrip(),
        "```",
        "",
    ]
    for title, schema in (("spec", spec), ("status", status)):
        lines += [
            f"## {title}",
            "",
            schema["description"],
            "",
            "| Field | Type | Default | Description |",
            "|---|---|---|---|",
        ]
        lines += [f"| `{a}` | {_cell(b)} | {_cell(c)} | {_cell(d)} |" for a, b, c, d in rows(schema)]
        lines.append("")
    messages = list(rules(spec, "spec"))
    if messages:
        lines += ["## What is refused", "", *(f"- {message}." for message in messages), ""]
    return "\n".join(lines)


def files() -> dict[Path, str]:
    """Path -> text of what is generated."""
    return {FOLDER / f"{source['kind'].lower()}.md": page(source) for source in crds.sources()}


if __name__ == "__main__":
    raise SystemExit(generated.main(COMMAND, (__doc__ or "").splitlines()[0], files))
