# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""All that the role of a KojiWeb has to know, read once: what there is, what comes next, what is wrong."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ansible_collections.fedoraproject.koji.plugins.module_utils.keytab import Keytab
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import exposure, kerberos, owned, rollout
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names as HubNames
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.secret import Secrets
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.survey import CONFIG_CHECKSUM, OPENSHIFT
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb import files, proxy, session, theme
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.certificates import (
    Certificates,
    CertificatesLook,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojiweb.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import GROUP
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CERTIFICATES_CHECKSUM = f"{GROUP}/certificates"
REQUESTS = "certificates.certificate.yaml.j2"
OBJECTS = ("config.configmap.yaml.j2", "secrets.secret.yaml.j2", "web.deployment.yaml.j2")

T = TypeVar("T")


class Reader(exposure.Reader, rollout.PodReader, Protocol):
    """What is needed of the API server; KubeApi has it."""


@dataclasses.dataclass
class Found:
    """What each subject's look has found; None where its own problem, or an earlier one, was in the way."""

    rollout: rollout.RolloutLook
    exposure: exposure.ExposureLook | None = None
    session: session.SessionLook | None = None
    theme: theme.ThemeLook | None = None
    certificates: CertificatesLook = dataclasses.field(default_factory=CertificatesLook)
    files: files.FilesLook | None = None
    kerberos: kerberos.KerberosLook = dataclasses.field(default_factory=kerberos.KerberosLook)
    ask_hub: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    corrections: list[str] = dataclasses.field(default_factory=list)  # templates of what is put right, not changed


class Survey:
    """Looks at each subject in turn; what is wrong with one does not keep the others from being looked at."""

    def __init__(self, resource: Mapping[str, Any], reader: Reader) -> None:
        self._resource = resource
        self._reader = reader
        self._spec: Mapping[str, Any] = resource.get("spec") or {}
        self._names = Names(resource)
        self._resolver = Resolver(resource, reader)
        self._problems: list[Problem] = []

    def run(self) -> dict[str, Any]:
        """-> the result of module koji_web_info"""
        resolved = self._resolve()
        if self._resource["metadata"].get("deletionTimestamp"):
            return self._result(Found(rollout.RolloutLook()), [])
        found = self._look(resolved=resolved)
        make = self._orders(found)
        return {**self._result(found, self._templates(found, make)), "make": make}

    def _try(self, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except Problem as problem:
            self._problems.append(problem)
            return None

    def _resolve(self) -> bool:
        try:
            self._resolver.resolve()
        except Problem as problem:
            self._problems.append(problem)
        return not self._problems

    def _look(self, *, resolved: bool) -> Found:
        spec, names, reader = self._spec, self._names, self._reader
        found = Found(rollout.look(names, reader, "the web"))
        objects = [("Deployment", names.deployment), ("ConfigMap", names.config), ("Secret", names.secrets)]
        self._try(lambda: owned.check(objects, names, reader, "KojiWeb"))
        found.exposure = self._try(lambda: exposure.look(self._resource, names, reader))
        found.theme = self._try(lambda: theme.look(spec, names.namespace, reader))
        secrets = Secrets(reader, names.namespace)
        found.session = self._try(lambda: session.look(secrets.get(names.session_secret), names.labels))
        if resolved:
            self._try(self._check_user)
            now = datetime.datetime.now(datetime.UTC)
            looking = Certificates(spec, names, self._resolver, reader, now)
            found.certificates = self._try(lambda: looking.look(secrets)) or found.certificates
            self._problems += filter(None, (found.certificates.problem,))
            found.kerberos = self._try(self._look_at_keytab) or found.kerberos
            found.files = self._try(lambda: self._make_files(found))
        # Where somebody else has a name, what is wrong with that one's objects is no news.
        self._problems.sort(key=lambda problem: problem.reason != "NameTaken")
        return found

    def _check_user(self) -> None:
        """Two resources must not turn the same hub user on and off."""
        user = self._resolver.found.user
        there = self._reader.get("KojiUser", self._names.namespace, user) if self._resolver.found.claimed_by else None
        if there is not None and (there.get("spec") or {}).get("enabled") is False:
            raise Problem(
                "UserDisabled",
                f"KojiUser '{user}' stands for the hub user of the web pages too and has enabled: false; set it to "
                "true, or give the web pages another user with client_username",
            )

    def _look_at_keytab(self) -> kerberos.KerberosLook:
        """It is of two: of the principal that logs in at the hub, and of the service that people have tickets for."""
        found = self._resolver.found
        look = kerberos.of_user(found)
        if look.on:
            service = Keytab.parse(base64.b64decode(found.keytab), f"the keytab of Secret '{found.keytab_secret}'")
            hosts = list(dict.fromkeys([*self._names.needed_names, *self._names.service_names]))
            look.warnings = kerberos.check_hosts(service, hosts)
        return look

    def _make_files(self, found: Found) -> files.FilesLook:
        references = self._resolver.found
        sources = files.Sources(
            hub_url=references.hub_url,
            files_url=self._files_url(),
            site=references.settings,
            client_pem=found.certificates.client_pem,
            session=found.session.text if found.session else "",
            theme=found.theme.name if found.theme else "",
            principal=references.principal if references.keytab_secret else "",
        )
        return files.look(self._spec, self._names, sources)

    def _hub(self) -> dict[str, Any] | None:
        name = self._resolver.found.hub
        return self._reader.get("KojiHub", self._names.namespace, name) if name else None

    def _files_url(self) -> str:
        """Where people's browsers find the hub's files."""
        hub = self._hub()
        url = HubNames(hub).url if hub else self._resolver.found.hub_url
        return f"{url.removesuffix('/kojihub')}/kojifiles"

    def _orders(self, found: Found) -> list[dict[str, Any]]:
        """Secrets to write before all else. What others would have to mend is in nobody's way here."""
        if any(problem.reason == "NameTaken" for problem in self._problems):
            return []
        return [*(found.session.make if found.session else []), *found.certificates.make]

    def _templates(self, found: Found, make: list[dict[str, Any]]) -> list[str]:
        requests = [REQUESTS] if found.certificates.requests else []
        if self._problems:
            # What serves goes on serving as it does, and can be reached.
            taken = any(problem.reason == "NameTaken" for problem in self._problems)
            if found.exposure is not None and found.rollout.exists and not taken:
                found.corrections = found.exposure.templates
            return requests if self._problems[0] is found.certificates.problem else []
        assert found.exposure  # noqa: S101  (else there was a problem)
        if make:
            self._problems.append(Problem("CertificatesComing", "certificates are made", progressing=True))
            return [*requests, *found.exposure.templates]
        problem = found.rollout.problem
        hub = self._hub()
        if hub is not None:
            closed, found.ask_hub = proxy.look({**self._resource, "kind": "KojiWeb"}, hub, self._reader)
            problem = problem or closed
        self._problems += filter(None, (problem,))
        return [*requests, *found.exposure.templates, *OBJECTS]

    def _result(self, found: Found, templates: list[str]) -> dict[str, Any]:
        references = self._resolver.found
        looks = (found.certificates, found.exposure, found.kerberos, found.files)
        warnings = [warning for look in looks if look is not None for warning in look.warnings]
        removed = (
            []
            if self._problems and not templates
            else [item for look in (found.exposure, found.certificates) if look is not None for item in look.remove]
        )
        return {
            "names": self._names.as_dict(),
            "references": dataclasses.asdict(references),
            "problem": self._problems[0].as_dict() if self._problems else {},
            "warnings": [*references.warnings, *warnings],
            "make": [],
            "templates": templates,
            "corrections": found.corrections,
            "remove": removed,
            "ask_hub": found.ask_hub,
            "any_user": self._any_user(),
            "checksums": self._checksums(found),
            "certificates": {"requests": found.certificates.requests},
            "exposure": dataclasses.asdict(found.exposure) if found.exposure else {},
            "files": dataclasses.asdict(found.files) if found.files else {},
            "kerberos": dataclasses.asdict(found.kerberos),
            "theme": dataclasses.asdict(found.theme or theme.ThemeLook()),
            "status": {
                "url": self._names.url,
                "hub_url": references.hub_url,
                "user": references.user,
                "certificate_expires": found.certificates.expires,
                "replicas": found.rollout.replicas,
                "selector": ",".join(f"{key}={value}" for key, value in self._names.selector.items()),
            },
        }

    def _any_user(self) -> bool:
        """Whether pods may say as whom they run; OpenShift says it itself."""
        return self._spec.get("ingress_backend") != "openshift" and not self._reader.serves(OPENSHIFT)

    def _checksums(self, found: Found) -> dict[str, str]:
        """Annotations of the pods: another value rolls them."""
        parts = [found.files.checksum if found.files else "", found.theme.checksum if found.theme else ""]
        parts += [found.kerberos.checksum] if found.kerberos.on else []
        config = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
        return {CONFIG_CHECKSUM: config, CERTIFICATES_CHECKSUM: found.certificates.checksum}
