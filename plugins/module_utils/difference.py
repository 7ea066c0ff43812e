# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Whether an object is as a manifest wants it, so that one that is need not be applied."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.quantity import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

# kubectl's and kubernetes.core's: what was applied last, by which a field that is no longer wanted is known.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Below these the API server writes values in its own way: 1024Mi as 1Gi, 0.5 as 500m.
_QUANTITIES = frozenset({"limits", "requests", "sizeLimit"})


@dataclass(frozen=True)
class Difference:
    """Where an object is not as wanted, '' if it is; `foreign`: by what somebody added to a list, which apply keeps."""

    where: str
    foreign: bool = False


def differs(manifest: Mapping[str, Any], there: Mapping[str, Any] | None) -> Difference:
    """Compare an object with what it should be."""
    if there is None:
        return Difference("absent")
    if there["metadata"].get("deletionTimestamp"):
        return Difference("")  # nothing can be done until it is gone
    if _last(there) is None:
        return Difference(f".metadata.annotations.{LAST_APPLIED}")
    where = _lacks(manifest, there, "")
    if not was_applied(manifest, there):
        return Difference(where or "what was applied last")
    return Difference(where, foreign=_has_more(manifest, there))


def was_applied(manifest: Mapping[str, Any], there: Mapping[str, Any] | None) -> bool:
    """Whether the object was applied last from this manifest, or is absent: then nothing of it would change."""
    last = _last(there) if there is not None else manifest
    return last is not None and _plain(last) == _plain(manifest)


def owned(manifest: Mapping[str, Any], there: Mapping[str, Any] | None) -> dict[str, Any]:
    """The manifest with the owners of the object: apply would take away those that it once wrote itself."""
    owners = there["metadata"].get("ownerReferences") if there else None
    if not owners or "ownerReferences" in manifest["metadata"]:
        return dict(manifest)
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": owners}}


def annotated(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest as it is after apply, for writing it in another way."""
    metadata = manifest["metadata"]
    said = json.dumps(manifest, separators=(",", ":"), sort_keys=True)
    annotations = {**(metadata.get("annotations") or {}), LAST_APPLIED: said}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _last(there: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest that an object was applied last from, if it says so."""
    try:
        last = json.loads((there["metadata"].get("annotations") or {}).get(LAST_APPLIED, ""))
    except ValueError:
        return None
    return last if isinstance(last, dict) and "metadata" in last else None


def _has_more(wanted: Any, there: Any) -> bool:
    """Whether a list has become longer than wanted."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        return any(_has_more(value, there.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(there, list):
        return len(there) > len(wanted) or any(_has_more(*pair) for pair in zip(wanted, there, strict=False))
    return False


def _plain(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without what makes no difference: empty fields, and owners, who come by the runtime's proxy or not."""
    metadata = {
        key: value
        for key, value in manifest["metadata"].items()
        if key != "ownerReferences" and value not in (None, {})
    }
    return {**manifest, "metadata": metadata}


def _lacks(wanted: Any, there: Any, path: str) -> str:
    """The first field of `wanted` that `there` has otherwise; lists count element by element."""
    if isinstance(wanted, dict):
        # What is empty may have been left out on the way.
        have = {} if there is None and not wanted else there
        if not isinstance(have, dict):
            return path
        return next(filter(None, (_lacks(value, have.get(key), f"{path}.{key}") for key, value in wanted.items())), "")
    if isinstance(wanted, list):
        have = [] if there is None else there
        if not isinstance(have, list) or len(have) != len(wanted):
            return path
        pairs = enumerate(zip(wanted, have, strict=True))
        return next(filter(None, (_lacks(*pair, f"{path}[{index}]") for index, pair in pairs)), "")
    return "" if wanted == there or _same_quantity(wanted, there, path) else path


def _same_quantity(wanted: Any, there: Any, path: str) -> bool:
    if there is None or not _QUANTITIES.intersection(path.split(".")):
        return False
    try:
        return quantity(wanted) == quantity(there)
    except ValueError:
        return False
