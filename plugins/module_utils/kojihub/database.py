# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The Jobs that bring the database to the image's schema: which there are, how they went, which is to be made.

One Job for each image, Secret and admin, in two ways. The first runs beside the hub and does what a running hub doesn't
notice; where that isn't enough it says so, and the second runs while the hub stands still. A failed one is followed by
another, later each time; what it said stays in the status until one has succeeded.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.owned import is_ours
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import start_problem
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.postgres import Postgres
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import PodReader

PROGRAM = Path(__file__).parents[3] / "roles/koji_hub/files/database"
COMPONENT = "database"
KEY, MODE, ATTEMPT = (f"apps.fedoraproject.org/database-{what}" for what in ("key", "mode", "attempt"))
ONLINE, OFFLINE = "online", "offline"
DEFAULT_ADMIN = "koji-admin"
# Seconds from a failure to the next attempt: the first, doubled each time, up to the last.
RETRY_FIRST, RETRY_LAST = 10, 300
# A Job's name ends with it; a pod's label has 63 characters.
MAX_ATTEMPT = 999
LAST_LINES = 3


@dataclass
class DatabaseLook:
    """What there is and what comes next. `make` with `hub_down_first`: only once no pod of the hub's is left."""

    key: str
    job: str
    mode: str = ONLINE
    attempt: int = 1
    make: bool = False
    state: str = "absent"  # running, succeeded, failed, needs_offline
    reason: str = "DatabaseJobComes"
    message: str = "the Job that brings the database to the image's schema is being made"
    progressing: bool = True
    schema_version: str = ""  # '' when the Job's pod is gone: what the status says still holds
    hub_down_first: bool = False
    remove: list[dict[str, Any]] = field(default_factory=list)  # with propagationPolicy Background
    configmap: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    pod_labels: dict[str, str] = field(default_factory=dict)
    args: list[str] = field(default_factory=list)
    env: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)


def look(spec: Mapping[str, Any], names: Names, postgres: Postgres, reader: PodReader, image: str) -> DatabaseLook:
    """Read the Jobs and, of the newest, its pod."""
    settings = _settings(spec, names)
    key = _key(names, postgres, image, settings)
    found = DatabaseLook(key, names.job(key), configmap=f"{names.fullname}-database")
    _Looking(found, names, reader).look()
    _describe(found, names, postgres, settings)
    return found


def _settings(spec: Mapping[str, Any], names: Names) -> dict[str, str]:
    krb = (spec.get("authentication") or {}).get("krb") or {}
    backup = (spec.get("backup_before_upgrade") or {}).get("enabled")
    return {
        "admin": given(spec.get("admin_username")) or DEFAULT_ADMIN,
        "principal": given(krb.get("admin_principal")),
        "backup": names.backup_claim if backup else "",
    }


def _key(names: Names, postgres: Postgres, image: str, settings: Mapping[str, str]) -> str:
    """Seven hex digits. A resource that was deleted and made again has Jobs of its own."""
    program = [file.read_text("utf-8") for file in sorted(PROGRAM.glob("*.py"))]
    text = json.dumps([names.uid, image, postgres.secret, postgres.checksum, dict(settings), program])
    return hashlib.sha256(text.encode()).hexdigest()[:7]


def _describe(found: DatabaseLook, names: Names, postgres: Postgres, settings: Mapping[str, str]) -> None:
    """What the template wants of the Job that is to be made."""
    found.labels = {
        **names.labels,
        "app.kubernetes.io/component": COMPONENT,
        KEY: found.key,
        MODE: found.mode,
        ATTEMPT: str(found.attempt),
    }
    # Not the hub's own name: its Service must not find these pods.
    found.pod_labels = {**found.labels, "app.kubernetes.io/name": f"koji-hub-{COMPONENT}"}
    found.args = [f"--{found.mode}", f"--admin={settings['admin']}"]
    found.env = [*postgres.environment(), {"name": "KOJI_POSTGRES_SECRET", "value": postgres.secret}]
    found.volumes, found.mounts = postgres.volumes(), postgres.mounts()
    if settings["principal"]:
        found.args.append(f"--principal={settings['principal']}")
    if settings["backup"]:
        found.args.append("--backup=/backup")
        found.volumes.append({"name": "backup", "persistentVolumeClaim": {"claimName": settings["backup"]}})
        found.mounts.append({"name": "backup", "mountPath": "/backup"})


class _Looking:
    """Reads what there is into a DatabaseLook."""

    def __init__(self, found: DatabaseLook, names: Names, reader: PodReader) -> None:
        self._found = found
        self._names = names
        self._reader = reader

    def look(self) -> None:
        """Fill it in."""
        found = self._found
        of_this_key = []
        for job in self._jobs():
            if job["metadata"]["labels"].get(KEY) == found.key:
                of_this_key.append(job)
            elif _ended(job) or not self._works(job):
                self._remove(job)
            else:
                # It may be in the middle of an upgrade, and a new one would wait for its lock.
                found.state, found.reason = "running", "DatabaseJobRuns"
                found.message = f"Job '{job['metadata']['name']}', of the settings before, still works on the database"
                return
        succeeded = [job for job in of_this_key if _ended(job) == "Complete"]
        if succeeded:
            self._succeeded(succeeded[-1])
            for job in of_this_key:
                if job is not succeeded[-1] and _ended(job):
                    self._remove(job)
        elif of_this_key:
            self._newest(*of_this_key[-1:-3:-1])
            # The one that ended last is kept: what it said is still news.
            for job in of_this_key[: -1 if _ended(of_this_key[-1]) else -2]:
                self._remove(job)
        else:
            found.make = True

    def _jobs(self) -> list[dict[str, Any]]:
        """The hub's own, the oldest first."""
        labels = f"app.kubernetes.io/instance={self._names.name},app.kubernetes.io/component={COMPONENT}"
        jobs = [job for job in self._reader.list("Job", self._names.namespace, labels) if is_ours(job, self._names)]
        return sorted(
            (job for job in jobs if not job["metadata"].get("deletionTimestamp")),
            key=lambda job: (job["metadata"].get("creationTimestamp", ""), _attempt(job)),
        )

    def _remove(self, job: Mapping[str, Any]) -> None:
        metadata = {"name": job["metadata"]["name"], "namespace": self._names.namespace}
        self._found.remove.append({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata})

    def _pod(self, job: Mapping[str, Any]) -> dict[str, Any] | None:
        pods = self._reader.list("Pod", self._names.namespace, f"job-name={job['metadata']['name']}")
        return pods[0] if pods else None

    def _works(self, job: Mapping[str, Any]) -> bool:
        pod = self._pod(job)
        return pod is not None and (pod.get("status") or {}).get("phase") == "Running"

    def _at(self, job: Mapping[str, Any]) -> None:
        labels = job["metadata"]["labels"]
        self._found.job, self._found.attempt = job["metadata"]["name"], _attempt(job)
        self._found.mode = OFFLINE if labels.get(MODE) == OFFLINE else ONLINE
        self._found.hub_down_first = self._found.mode == OFFLINE

    def _succeeded(self, job: Mapping[str, Any]) -> None:
        self._at(job)
        said = _said(self._pod(job))
        self._found.state, self._found.hub_down_first, self._found.progressing = "succeeded", False, False
        self._found.reason = said.get("reason") or "SchemaCurrent"
        self._found.message = said.get("message") or "the schema is the image's"
        self._found.schema_version = said.get("schema_version", "")

    def _newest(self, job: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
        """No Job has succeeded yet."""
        self._at(job)
        if _ended(job):
            self._failed(job)
            return
        found = self._found
        found.state, found.reason = "running", "DatabaseJobRuns"
        found.message = f"Job '{found.job}' works on the database"
        if before is not None and not self._went_offline(before):
            # Until it has ended, what is known is what the last one said.
            self._say(before)
            found.message += f" (attempt {found.attempt} runs)"
        pod = self._pod(job)
        trouble = start_problem(pod, self._reader, self._names.namespace) if pod else self._refused(job)
        if trouble is not None:
            found.reason, found.message, found.progressing = trouble.reason, trouble.message, trouble.progressing

    def _failed(self, job: Mapping[str, Any]) -> None:
        found = self._found
        self._say(job)
        if self._went_offline(job):
            found.state, found.progressing, found.hub_down_first = "needs_offline", True, True
            self._next(OFFLINE, 1)
            return
        found.state = "failed"
        delay = min(RETRY_FIRST * 2 ** min(found.attempt - 1, 10), RETRY_LAST)
        if _age(job) >= delay:
            self._next(found.mode, found.attempt % MAX_ATTEMPT + 1)

    def _next(self, mode: str, attempt: int) -> None:
        self._found.make, self._found.mode, self._found.attempt = True, mode, attempt
        self._found.job = f"{self._names.job(self._found.key)}-{'off' if mode == OFFLINE else 'on'}{attempt}"

    def _went_offline(self, job: Mapping[str, Any]) -> bool:
        return job["metadata"]["labels"].get(MODE) == ONLINE and _said(self._pod(job)).get("outcome") == "needs_offline"

    def _say(self, job: Mapping[str, Any]) -> None:
        """Why a Job has failed, from its pod or, without one, from itself."""
        found, name = self._found, job["metadata"]["name"]
        said = _said(self._pod(job))
        found.progressing = False
        found.reason = said.get("reason") or "DatabaseJobFailed"
        found.message = said.get("message") or f"Job '{name}' failed: {_condition(job, 'Failed').get('message', '')}"
        found.schema_version = said.get("schema_version", "")

    def _refused(self, job: Mapping[str, Any]) -> Problem | None:
        """A Job that may not have pods: quota, Pod Security, an admission webhook."""
        for event in self._reader.events(self._names.namespace, job["metadata"]["uid"]):
            if event.get("reason") == "FailedCreate":
                return Problem("PodsRefused", f"the cluster refuses the database Job's pod: {event.get('message', '')}")
        return None


def _attempt(job: Mapping[str, Any]) -> int:
    value = job["metadata"]["labels"].get(ATTEMPT, "1")
    return int(value) if value.isdigit() else 1


def _condition(job: Mapping[str, Any], kind: str) -> dict[str, Any]:
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((dict(c) for c in conditions if c["type"] == kind and c["status"] == "True"), {})


def _ended(job: Mapping[str, Any]) -> str:
    """Complete, Failed or ''."""
    return next((kind for kind in ("Complete", "Failed") if _condition(job, kind)), "")


def _age(job: Mapping[str, Any]) -> float:
    """Seconds since it failed."""
    ended = _condition(job, "Failed").get("lastTransitionTime")
    if not ended:
        return RETRY_LAST
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(ended)).total_seconds()


def _said(pod: Mapping[str, Any] | None) -> dict[str, str]:
    """What the program left as its last word, or the end of its log where it had no time for one."""
    for container in ((pod or {}).get("status") or {}).get("containerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated")
        if ended is None:
            continue
        message = ended.get("message") or ""
        try:
            said = json.loads(message)
        except ValueError:
            said = None
        if isinstance(said, dict):
            return {key: str(value) for key, value in said.items()}
        if ended.get("exitCode") == 0:
            return {}
        lines = " / ".join(message.strip().splitlines()[-LAST_LINES:])
        why = f"exit code {ended.get('exitCode')}, {ended.get('reason', 'Error')}"
        return {"reason": "DatabaseJobFailed", "message": f"the database Job ended with {why}: {lines}".rstrip(": ")}
    return {}
