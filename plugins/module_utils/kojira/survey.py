# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""All that the role of a Kojira has to know, read once: what there is, what is to be written, what is wrong."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from ansible_collections.fedoraproject.koji.plugins.module_utils import ini
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import kerberos, version
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import names as kojihub
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.survey import OPENSHIFT
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira import (
    active,
    contact,
    files,
    options,
    pod,
    user,
    volume,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojira.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.survey import Reader


# One that stands by takes over within 30 s.
STANDBY_PERIOD = "15s"
TEMPLATES = ("config.configmap.yaml.j2", "kojira.deployment.yaml.j2")


class Survey:
    """Looks at each subject in turn; the first thing that is wrong is told."""

    def __init__(self, resource: Mapping[str, Any], reader: Reader) -> None:
        self._resource = resource
        self._reader = reader
        self._spec: Mapping[str, Any] = resource.get("spec") or {}
        self._old: Mapping[str, Any] = resource.get("status") or {}
        self._names = Names(resource)
        self._resolver = Resolver(resource, reader)
        self._version = ""
        self._pod = pod.look(self._names, reader)
        self._user = user.UserLook()
        self._files = files.FilesLook()
        self._volume = volume.VolumeLook()
        self._problems: list[Problem] = []
        self._warnings: list[dict[str, str]] = []

    def run(self) -> dict[str, Any]:
        """-> the result of module kojira_info"""
        self._look()
        problem = self._problems[0] if self._problems else None
        found = self._resolver.found
        stands_by = problem is not None and problem.reason == active.REASON
        return {
            "names": self._names.as_dict(),
            "references": dataclasses.asdict(found),
            "problem": {**problem.as_dict(), **({"again": STANDBY_PERIOD} if stands_by else {})} if problem else {},
            "pod_problem": self._pod.problem.as_dict() if self._pod.problem else {},
            "warnings": [*found.warnings, *self._files.warnings, *self._warnings],
            "templates": [] if problem or found.waiting or self._ends else list(TEMPLATES),
            "remove": self._leftover() if stands_by or self._ends else [],
            "pods": self._pod.pods,
            "make_user": self._user.make,
            "worked": self._worked(),
            "any_user": not self._reader.serves(OPENSHIFT),
            "files": dataclasses.asdict(self._files),
            "kerberos": dataclasses.asdict(kerberos.of_user(found)),
            "claim": self._volume.claim,
            "affinity": volume.affinity(self._spec, self._volume),
            "status": self._status(),
        }

    @property
    def _ends(self) -> bool:
        return bool(self._resource["metadata"].get("deletionTimestamp"))

    def _try(self, look: Callable[[], object]) -> bool:
        try:
            look()
        except Problem as problem:
            self._problems.append(problem)
            return False
        return True

    def _look(self) -> None:
        """Who has to wait for another is not bothered with anything else; then names that are taken; then the rest."""
        if not self._ends:
            self._try(lambda: active.check(self._resource, self._reader))
            self._try(lambda: self._resolver.own(self._names.objects))
        if self._try(self._resolver.resolve) and not self._ends:
            self._try(self._look_further)

    def _look_further(self) -> None:
        found, namespace = self._resolver.found, self._names.namespace
        hub = self._resolver.hub
        self._user = user.look(found.user, namespace, self._reader)
        if self._user.make:
            # Before anything is changed of it.
            has = version.call(found.hub_url, found.ca, "getUserPerms", found.user)
            user.refuse_admin(found.user, has if isinstance(has, list) else [])
        self._volume = volume.look(self._spec, hub, namespace, self._reader)
        if given(self._spec.get("configmap")) == self._names.config:
            raise Problem(
                "ConflictingFields",
                f"configmap is '{self._names.config}', which the operator writes itself; give yours another name",
            )
        told = given(((hub or {}).get("status") or {}).get("hub_version"))
        self._version = told or version.ask(found.hub_url, found.ca)
        if not self._version:
            raise Problem(
                "HubUnreachable",
                f"{found.hub_url} does not say of which version it is; its kojira's settings depend on that",
                progressing=True,
            )
        references = dataclasses.asdict(found)
        self._files = files.look(self._spec, references, namespace, self._version)
        if options.hub_has_the_queue(self._version):
            self._compare_with_hub(hub)

    def _compare_with_hub(self, hub: Mapping[str, Any] | None) -> None:
        """Say where the hub's settings aren't as this Kojira asks for."""
        asked = options.hub_options(self._spec)
        if (self._spec.get("kojira_options") or {}).get("ignore_tags"):
            self._warn("KojiraOptionIgnored", "kojira_options.ignore_tags: since Koji 1.35 a tag's repo.auto says that")
        if hub is None:
            if asked:
                wanted = ", ".join(f"{name} = {value}" for name, value in asked.items())
                self._warn(
                    "HubSettingsElsewhere",
                    f"since Koji 1.35 the hub has these settings, and no KojiHub of this namespace is this hub: set "
                    f"{wanted} in its hub.conf",
                )
            return
        name = kojihub.Names(hub).config
        there = self._reader.get("ConfigMap", self._names.namespace, name) or {}
        has = {
            key.lower(): value
            for key, value in ini.parse((there.get("data") or {}).get("hub.conf", "")).get("hub", {}).items()
        }
        differ = [
            f"{key} is '{has.get(key.lower(), options.HUB_DEFAULTS[key])}', not '{value}'"
            for key, value in asked.items()
            if has.get(key.lower(), options.HUB_DEFAULTS[key]) != value
        ]
        if differ:
            self._warn(
                "HubSettingsDiffer",
                f"hub.conf of KojiHub '{hub['metadata']['name']}': {'; '.join(differ)}; it follows within minutes, "
                "unless hub_options or the configmap there say otherwise",
            )

    def _warn(self, reason: str, message: str) -> None:
        self._warnings.append({"reason": reason, "message": message})

    def _worked(self) -> bool:
        """Whether it ever got so far as to have a user: one that it never touched is not its to disable."""
        return bool(self._resolver.leftover([{"kind": "ConfigMap", "name": self._names.config}]))

    def _leftover(self) -> list[dict[str, Any]]:
        return self._resolver.leftover([{"kind": "Deployment", "name": self._names.deployment}])

    def _status(self) -> dict[str, Any]:
        found = self._resolver.found
        now = datetime.datetime.now(datetime.UTC)
        new = options.hub_has_the_queue(self._version)
        counted = contact.repos(found.hub_url, found.ca, new=new) if self._pod.ready and self._version else None
        return {
            "user": found.user,
            "hub_url": found.hub_url,
            "last_contact": contact.last(given(self._old.get("last_contact")), self._pod, now),
            "repos": self._old.get("repos") if counted is None else counted,
        }
