# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""The Jobs that bring the database to the image's schema: which there are, how they went, which is to be made.

One Job for each image, Secret and admin, in two ways. The first runs beside the hub and does what a running hub doesn't
notice; where that isn't enough it says so, and the second runs while the hub stands still. A failed one is followed by
another, later each time; what it said stays in the status until one has succeeded.

An image's tag may come to mean another content, and pods that start later run that. So one that no Job has seen yet is
followed by a Job for it. Each says in its annotations what it and those before it have seen.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import contents
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.contents import Content
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.owned import is_ours
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import start_problem
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.postgres import Postgres
    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.rollout import PodReader

PROGRAM = Path(__file__).parents[3] / "roles/koji_hub/files/database"
COMPONENT = "database"
KEY, MODE, ATTEMPT = (f"apps.fedoraproject.org/database-{what}" for what in ("key", "mode", "attempt"))
# Annotations: the content that a Job is for, the node that has it, and what was seen before.
CONTENT, NODE, SEEN = (f"apps.fedoraproject.org/database-{what}" for what in ("content", "node", "seen"))
ONLINE, OFFLINE = "online", "offline"
DEFAULT_ADMIN = "koji-admin"
# Seconds from a failure to the next attempt: the first, doubled each time, up to the last.
RETRY_FIRST, RETRY_LAST = 10, 300
# A Job's name ends with it; a pod's label has 63 characters.
MAX_ATTEMPT = 999
# Contents that are remembered.
MAX_SEEN = 50
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
    annotations: dict[str, str] = field(default_factory=dict)
    node_affinity: dict[str, Any] = field(default_factory=dict)  # the resource's own, if it is {}
    pod_labels: dict[str, str] = field(default_factory=dict)
    args: list[str] = field(default_factory=list)
    env: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)


def look(spec: Mapping[str, Any], names: Names, postgres: Postgres, reader: PodReader, image: str) -> DatabaseLook:
    """Read the Jobs and, of the newest, its pod."""
    settings = _settings(spec, names)
    key = _key(names, postgres, image, settings)

    def name_for(content: str) -> str:
        return names.job(_key(names, postgres, image, settings, content))

    found = DatabaseLook(key, names.job(key), configmap=f"{names.fullname}-database")
    looking = _Looking(found, names, reader, name_for)
    looking.look(contents.running(names, reader, image))
    _describe(found, names, postgres, settings)
    node = found.annotations.get(NODE, "")
    if node and not contents.always_pulled(image, given(spec.get("image_pull_policy"))):
        found.node_affinity = contents.on_node((spec.get("affinity") or {}).get("nodeAffinity") or {}, node)
    if looking.newer is not None and found.state == "absent":
        found.message = (
            f"pod '{looking.newer.pod}' runs a content of image '{image}' that no Job has seen yet, so another one is "
            "being made that looks at the schema"
        )
    return found


def _settings(spec: Mapping[str, Any], names: Names) -> dict[str, str]:
    krb = (spec.get("authentication") or {}).get("krb") or {}
    backup = (spec.get("backup_before_upgrade") or {}).get("enabled")
    return {
        "admin": given(spec.get("admin_username")) or DEFAULT_ADMIN,
        "principal": given(krb.get("admin_principal")),
        "backup": names.backup_claim if backup else "",
    }


def _key(names: Names, postgres: Postgres, image: str, settings: Mapping[str, str], content: str = "") -> str:
    """Seven hex digits. A resource that was deleted and made again has Jobs of its own."""
    program = [file.read_text("utf-8") for file in sorted(PROGRAM.glob("*.py"))]
    text = json.dumps([names.uid, image, postgres.secret, postgres.checksum, dict(settings), program])
    return hashlib.sha256(f"{text}{content}".encode()).hexdigest()[:7]


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

    def __init__(self, found: DatabaseLook, names: Names, reader: PodReader, name_for: Callable[[str], str]) -> None:
        self._found = found
        self._names = names
        self._reader = reader
        self._name_for = name_for
        self.newer: Content | None = None  # what the Job that comes or runs is for, if it is not the first

    def look(self, running: Sequence[Content]) -> None:
        """Fill it in; `running` are the contents of the hub's pods."""
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
        last = next((job for job in reversed(of_this_key) if self._has_succeeded(job)), None)
        if last is None:
            self._go_on(of_this_key)
            return
        later = of_this_key[of_this_key.index(last) + 1 :]
        if later and self._is_moot(later[-1], {content.digest for content in running}):
            later = []
        for job in of_this_key:
            if job is not last and job not in later and _ended(job):
                self._remove(job)
        seen = self._seen(last)
        unseen = [content for content in running if content.digest not in seen]
        if later or unseen:
            # One that was begun goes on, although its pods may have had to end for it.
            self._aim(_content(later[-1]) if later else unseen[0], seen)
            self._go_on(later)
        else:
            self._succeeded(last)

    def _go_on(self, jobs: Sequence[dict[str, Any]]) -> None:
        """None of these has succeeded yet."""
        if not jobs:
            self._found.make = True
            return
        self._newest(*jobs[-1:-3:-1])
        # The one that ended last is kept: what it said is still news.
        for job in jobs[: -1 if _ended(jobs[-1]) else -2]:
            self._remove(job)

    def _is_moot(self, job: Mapping[str, Any], running: Collection[str]) -> bool:
        """Whether it has failed beside the hub for a content that no pod runs any more."""
        beside = job["metadata"]["labels"].get(MODE) == ONLINE and not self._went_offline(job)
        return _ended(job) == "Failed" and beside and _content(job).digest not in running

    def _aim(self, content: Content, seen: Sequence[str]) -> None:
        self.newer = content
        self._found.job = self._name_for(content.digest)
        said = json.dumps(seen[-MAX_SEEN:])
        self._found.annotations = {CONTENT: content.digest, NODE: content.node, SEEN: said}

    def _seen(self, job: Mapping[str, Any]) -> list[str]:
        """Contents that this Job and those before it have looked at the schema for."""
        annotations = job["metadata"].get("annotations") or {}
        try:
            before = [str(one) for one in json.loads(annotations.get(SEEN, "[]"))]
        except (ValueError, TypeError):
            before = []
        own = [annotations.get(CONTENT, ""), contents.of_pod(self._pod(job), COMPONENT)]
        return list(dict.fromkeys(digest for digest in [*before, *own] if digest))

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

    def _has_succeeded(self, job: Mapping[str, Any]) -> bool:
        """Its pod says so up to two seconds before the Job does."""
        if _ended(job):
            return _ended(job) == "Complete"
        pod = self._pod(job)
        return pod is not None and (pod.get("status") or {}).get("phase") == "Succeeded"

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
        name = self._name_for(self.newer.digest if self.newer else "")
        self._found.job = f"{name}-{'off' if mode == OFFLINE else 'on'}{attempt}"

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


def _content(job: Mapping[str, Any]) -> Content:
    """What a Job is for that is not the first of its key."""
    annotations = job["metadata"].get("annotations") or {}
    return Content(annotations.get(CONTENT, ""), annotations.get(NODE, ""))


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
