# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A theme's files, out of a ConfigMap, whose keys have no folders: pictures go into images/, as Koji has them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.httpd import STATIC
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

DEFAULT = "site"
_PICTURES = frozenset({".gif", ".ico", ".jpeg", ".jpg", ".png", ".svg", ".webp"})
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}")


@dataclass
class ThemeLook:
    """Its name for KojiTheme, '' without one; volumes and volumeMounts of the pods."""

    name: str = ""
    checksum: str = ""
    volumes: list[dict[str, Any]] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)


def look(spec: Mapping[str, Any], namespace: str, reader: Reader) -> ThemeLook:
    """Read the ConfigMap. Raises Problem."""
    configmap = given(spec.get("theme_configmap"))
    if not configmap:
        return ThemeLook()
    name = given((spec.get("web_options") or {}).get("KojiTheme")) or DEFAULT
    if not _NAME.fullmatch(name):
        raise Problem(
            "InvalidWebOptions",
            f"web_options.KojiTheme is '{name}', but it is the name of the folder that theme_configmap's files are in: "
            "it has letters, digits, dots, dashes and underscores only",
        )
    there = reader.get("ConfigMap", namespace, configmap)
    files = {**((there or {}).get("data") or {}), **((there or {}).get("binaryData") or {})}
    if not files:
        what = "does not exist" if there is None else "is empty"
        raise Problem(
            "MissingConfigMap",
            f"ConfigMap '{configmap}' in namespace '{namespace}', which theme_configmap names, {what}; put the theme's "
            "files into it: koji.css, extra-footer.html, koji.png and so on",
        )
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    items = [{"key": key, "path": _path(key)} for key in sorted(files)]
    return ThemeLook(
        name=name,
        checksum=digest,
        volumes=[{"name": "theme", "configMap": {"name": configmap, "items": items}}],
        mounts=[{"name": "theme", "mountPath": f"{STATIC}/themes/{name}", "readOnly": True}],
    )


def _path(key: str) -> str:
    return f"images/{key}" if PurePosixPath(key).suffix.lower() in _PICTURES else key
