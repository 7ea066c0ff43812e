# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The periodic cleaning: which CronJobs there should be, and what they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.owned import is_ours
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Reader

COMPONENT = "cleanup"
DEFAULT_SCHEDULES = {"sweep_db": "17 3 * * *", "gc": "17 4 * * *"}
GC_CONF, GC_MAIL, GC_FOLDER, ADMIN_FOLDER = "koji-gc.conf", "email.tpl", "/etc/koji-operator-gc", "/etc/koji-hub-admin"


@dataclass
class CleanupLook:
    """What is asked for. `templates` are of what is wanted, `remove` are manifests of what no longer is."""

    sweep_db: str
    gc: str
    sweep_db_schedule: str
    gc_schedule: str
    templates: list[str] = field(default_factory=list)
    remove: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    pod_labels: dict[str, str] = field(default_factory=dict)
    gc_args: list[str] = field(default_factory=list)
    gc_mounts: list[dict[str, Any]] = field(default_factory=list)
    gc_volumes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def objects(self) -> list[tuple[str, str]]:
        """Kind and name of what is wanted."""
        wanted = {"sweep_db.cronjob.yaml.j2": self.sweep_db, "gc.cronjob.yaml.j2": self.gc}
        return [("CronJob", name) for template, name in wanted.items() if template in self.templates]


def look(spec: Mapping[str, Any], names: Names, reader: Reader) -> CleanupLook:
    """Compare what is asked for with what is there."""
    cleanup = spec.get("cleanup") or {}
    options = {key: cleanup.get(key) or {} for key in DEFAULT_SCHEDULES}
    schedules = {key: given(options[key].get("schedule")) or default for key, default in DEFAULT_SCHEDULES.items()}
    # CronJobs' names have 52 characters at most.
    found = CleanupLook(f"{names.fullname}-sweep", f"{names.fullname}-gc", schedules["sweep_db"], schedules["gc"])
    found.pod_labels = {
        **names.labels,
        "app.kubernetes.io/name": f"koji-hub-{COMPONENT}",
        "app.kubernetes.io/component": COMPONENT,
    }
    for key, name in (("sweep_db", found.sweep_db), ("gc", found.gc)):
        if options[key].get("enabled"):
            found.templates.append(f"{key}.cronjob.yaml.j2")
            continue
        there = reader.get("CronJob", names.namespace, name)
        if there is not None and is_ours(there, names):
            metadata = {"name": name, "namespace": names.namespace}
            found.remove.append({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata})
    if options["gc"].get("enabled"):
        _describe_gc(found, given(options["gc"].get("configmap")), names, reader)
    return found


def _describe_gc(found: CleanupLook, configmap: str, names: Names, reader: Reader) -> None:
    found.gc_args = [
        f"--server={names.internal_url}",
        "--cert=/tmp/client.pem",
        f"--serverca={ADMIN_FOLDER}/hub-ca.crt",
        f"--weburl={names.url.removesuffix('hub')}",
        "--lock-file=/tmp/koji-gc.lock",
    ]
    if not configmap:
        # Without policies there is nothing to prune by, and without a mail server nobody to tell.
        found.gc_args += ["--config-file=/dev/null", "--action=trash,delete", "--no-mail", "--email-template=/dev/null"]
        return
    found.gc_args.append(f"--config-file={GC_FOLDER}/{GC_CONF}")
    found.gc_mounts = [{"name": "settings", "mountPath": GC_FOLDER, "readOnly": True}]
    found.gc_volumes = [{"name": "settings", "configMap": {"name": configmap}}]
    there = reader.get("ConfigMap", names.namespace, configmap)
    data = (there or {}).get("data") or {}
    if GC_MAIL in data:
        found.gc_args.append(f"--email-template={GC_FOLDER}/{GC_MAIL}")
    if there is None or GC_CONF not in data:
        lack = "does not exist" if there is None else f"has no key '{GC_CONF}'"
        message = (
            f"ConfigMap '{configmap}' in namespace '{names.namespace}' (cleanup.gc.configmap) {lack}: koji-gc fails"
        )
        found.warnings.append({"reason": "MissingConfigMap", "message": message})
