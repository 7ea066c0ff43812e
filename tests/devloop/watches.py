# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""Reads watches.yaml as ansible-operator does: same defaults, same search for roles, same refusals."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_KNOWN = {
    "group", "version", "kind", "role", "playbook", "vars", "maxRunnerArtifacts", "reconcilePeriod", "manageStatus",
    "watchDependentResources", "watchClusterScopedResources", "snakeCaseParameters", "watchAnnotationsChanges",
    "markUnsafe", "blacklist", "finalizer", "selector",
}  # fmt: skip


class WatchesError(Exception):
    """watches.yaml can't be used; the message says which entry and why."""


def parse_duration(text: str) -> float:
    """Return the seconds of a Go duration such as `1h30m`, `15s` or `0`; ValueError if it is none."""
    sign, body = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    if body == "0":
        return 0.0
    parts = _DURATION_PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f"not a duration: {text!r} (want e.g. 15s, 5m, 1h30m)")
    return sign * sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


@dataclass(frozen=True)
class Kind:
    """A group, version and kind; `group` is empty for the core API."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def parse(cls, api_version: str, kind: str) -> "Kind":
        group, _, version = api_version.rpartition("/")
        return cls(group, version, kind)

    def __str__(self) -> str:
        return f"{self.api_version} {self.kind}"


@dataclass(frozen=True)
class Target:
    """What ansible-runner is to run: a role's folder or a playbook's file."""

    path: Path
    is_role: bool


@dataclass(frozen=True)
class Finalizer:
    """`target` is None where the watch's own role or playbook does the finalizing, with `vars` added."""

    name: str
    target: Target | None
    vars: Json


@dataclass(frozen=True)
class Watch:
    """One entry of watches.yaml; `reconcile_period` in seconds."""

    kind: Kind
    target: Target
    reconcile_period: float
    workers: int
    verbosity: int
    vars: Json = field(default_factory=dict)
    finalizer: Finalizer | None = None
    selector: Json = field(default_factory=dict)
    blacklist: frozenset[Kind] = frozenset()
    max_artifacts: int = 20
    snake_case: bool = True
    mark_unsafe: bool = False
    watch_dependents: bool = True
    watch_cluster_scoped: bool = False
    watch_annotations: bool = False


@dataclass(frozen=True)
class Defaults:
    """What ansible-operator takes from its command line; seconds."""

    reconcile_period: float = 36000.0
    workers: int = os.cpu_count() or 1
    verbosity: int = 2


def load(path: Path, root: Path, environ: Mapping[str, str], defaults: Defaults) -> list[Watch]:
    """Read a watches file; relative roles and playbooks are looked up below `root`. Raises WatchesError."""
    entries = yaml.safe_load(_expand(path.read_text("utf-8"), environ))
    if not isinstance(entries, list):
        raise WatchesError(f"{path}: a list of watches is expected")
    watches: list[Watch] = []
    for number, entry in enumerate(entries, 1):
        where = f"{path}: watch {number}"
        if not isinstance(entry, dict):
            raise WatchesError(f"{where}: a mapping is expected")
        watch = _watch(where, entry, root, environ, defaults)
        if any(watch.kind == other.kind for other in watches):
            raise WatchesError(f"{where}: {watch.kind} is watched twice")
        watches.append(watch)
    return watches


def _watch(where: str, entry: Json, root: Path, environ: Mapping[str, str], defaults: Defaults) -> Watch:
    if unknown := sorted(set(entry) - _KNOWN):
        raise WatchesError(f"{where}: unknown fields {', '.join(unknown)}")
    if not entry.get("version") or not entry.get("kind"):
        raise WatchesError(f"{where}: version and kind are required")
    kind = Kind(entry.get("group") or "", entry["version"], entry["kind"])
    if entry.get("manageStatus", True):
        raise WatchesError(f"{where} ({kind}): the development loop writes no status; say manageStatus: false")
    target = _target(where, entry, root, environ)
    if target is None:
        raise WatchesError(f"{where} ({kind}): a role or a playbook is required")
    try:
        # As in ansible-operator, 0 means "not set".
        period = parse_duration(entry.get("reconcilePeriod") or "0") or defaults.reconcile_period
    except ValueError as error:
        raise WatchesError(f"{where} ({kind}): reconcilePeriod: {error}") from None
    return Watch(
        kind=kind,
        target=target,
        reconcile_period=period,
        workers=_positive(environ, "MAX_CONCURRENT_RECONCILES", kind, defaults.workers),
        verbosity=_positive(environ, "ANSIBLE_VERBOSITY", kind, defaults.verbosity),
        vars=entry.get("vars") or {},
        finalizer=_finalizer(where, entry.get("finalizer"), root, environ),
        selector=entry.get("selector") or {},
        blacklist=frozenset(Kind(k.get("group") or "", k["version"], k["kind"]) for k in entry.get("blacklist") or []),
        max_artifacts=entry.get("maxRunnerArtifacts") or 20,
        snake_case=entry.get("snakeCaseParameters", True),
        mark_unsafe=entry.get("markUnsafe", False),
        watch_dependents=entry.get("watchDependentResources", True),
        watch_cluster_scoped=entry.get("watchClusterScopedResources", False),
        watch_annotations=entry.get("watchAnnotationsChanges", False),
    )


def _finalizer(where: str, entry: Json | None, root: Path, environ: Mapping[str, str]) -> Finalizer | None:
    if not entry:
        return None
    if not entry.get("name"):
        raise WatchesError(f"{where}: the finalizer needs a name")
    target = _target(f"{where}: finalizer", entry, root, environ)
    if target is None and not entry.get("vars"):
        raise WatchesError(f"{where}: the finalizer needs a role, a playbook or vars")
    return Finalizer(entry["name"], target, entry.get("vars") or {})


def _target(where: str, entry: Json, root: Path, environ: Mapping[str, str]) -> Target | None:
    if playbook := entry.get("playbook"):
        path = root / playbook
        if not path.exists():
            raise WatchesError(f"{where}: playbook {path} was not found")
        return Target(path, is_role=False)
    if role := entry.get("role"):
        for path in _role_paths(role, root, environ):
            if path.exists():
                return Target(path, is_role=True)
        raise WatchesError(f"{where}: role {role} was not found")
    return None


def _role_paths(role: str, root: Path, environ: Mapping[str, str]) -> list[Path]:
    if Path(role).is_absolute():
        return [Path(role)]
    paths: list[Path] = []
    name = role.split(".")
    if len(name) == 3:
        parents = filter(None, environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(":"))
        paths += [Path(parent, "ansible_collections", name[0], name[1], "roles", name[2]) for parent in parents]
    for parent in filter(None, environ.get("ANSIBLE_ROLES_PATH", "").split(":")):
        paths += [Path(parent, role), Path(parent, "roles", role)]
    return [*paths, root / "roles" / role]


def _positive(environ: Mapping[str, str], prefix: str, kind: Kind, default: int) -> int:
    # "MAX_CONCURRENT_RECONCILES_CONFIGMAP_": the core group is empty, its underscore stays.
    text = environ.get(f"{prefix}_{kind.kind}_{kind.group}".replace(".", "_").upper(), "")
    return int(text) if text.isdecimal() and int(text) > 0 else default


def _expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace $NAME and ${NAME} by the environment's values; an unknown name stays as ${NAME}."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return environ.get(name, f"${{{name}}}")

    return re.sub(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))", value, text)
