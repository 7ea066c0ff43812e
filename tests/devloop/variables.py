# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The extra variables of a run, made from the object and its watch."""

import re
from typing import Any

from .watches import Json, Watch


def extra_variables(watch: Watch, item: Json, finalizing: bool) -> Json:
    """Return what a role sees of `item`; the later wins: spec, whole object, the watch's vars, the finalizer's."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    fields = snake_keys(spec) if watch.snake_case else dict(spec)
    name = re.sub(r"[.-]", "_", f"_{watch.kind.group}_{watch.kind.kind.lower()}")
    whole = {name: item, f"{name}_spec": spec}
    if watch.mark_unsafe:
        fields, whole = unsafe(fields), unsafe(whole)
    variables = {
        **fields,
        "ansible_operator_meta": {"namespace": metadata.get("namespace", ""), "name": metadata["name"]},
        **whole,
        **watch.vars,
    }
    if finalizing and watch.finalizer is not None:
        variables |= watch.finalizer.vars
    return variables


def unsafe(value: Any) -> Any:
    """Mark every string as data, so that Ansible never evaluates it as a template."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, list):
        return [unsafe(entry) for entry in value]
    if isinstance(value, dict):
        return {key: unsafe(entry) for key, entry in value.items()}
    return value


def snake_keys(value: Any) -> Any:
    """Rename camelCase keys at every depth, those of maps that users fill (labels, env) too, as the runtime does."""
    if isinstance(value, dict):
        return {to_snake(key): snake_keys(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [snake_keys(entry) for entry in value]
    return value


def to_snake(name: str) -> str:
    """`nodeSelector` -> `node_selector`, `JSONData` -> `_json_data`; the runtime's rarer cases are left out."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    words = re.sub(r"[ -]", "_", words).lower()
    return f"_{words}" if name[:1].isupper() else words
