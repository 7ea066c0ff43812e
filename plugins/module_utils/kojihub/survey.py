# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""All that the role of a KojiHub has to know, read once: what there is, what comes next, what is wrong."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import (
    certificates,
    claims,
    cleanup,
    database,
    exposure,
    files,
    kerberos,
    kojiras,
    messaging,
    owned,
    postgres,
    proxies,
    rollout,
    stage,
    version,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.environment import (
    CA_BUNDLE,
    environment,
    trust,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub.names import Names
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import GROUP, given
from ansible_collections.fedoraproject.koji.plugins.module_utils.references import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_IMAGE = "quay.io/fedora/koji-hub:latest"
CONFIG_CHECKSUM = f"{GROUP}/config"
# While the hub is ready: a rotation of the CA goes on by itself, step by step; a hub may not have said its version.
SOON = "20s"
# Seconds that a new hub is asked for: its Service knows a pod a little later than the Deployment does.
PATIENCE = 3.0
PAUSE = 0.2  # seconds between two looks at what is on its way
OPENSHIFT = "SecurityContextConstraints"
REQUESTS = "certificates.certificate.yaml.j2"

T = TypeVar("T")


class Reader(exposure.Reader, rollout.PodReader, Protocol):
    """What is needed of the API server; KubeApi has it."""


@dataclasses.dataclass
class Found:
    """What each subject's look has found; None where its own problem, or an earlier one, was in the way."""

    claims: claims.ClaimsLook
    certificates: certificates.CertificatesLook
    cleanup: cleanup.CleanupLook
    rollout: rollout.RolloutLook
    exposure: exposure.ExposureLook | None = None
    postgres: postgres.Postgres | None = None
    files: files.FilesLook | None = None
    database: database.DatabaseLook | None = None
    kerberos: kerberos.KerberosLook | None = None
    trusted: str = ""
    stage: stage.Stage = dataclasses.field(default_factory=stage.Stage)


class Survey:
    """Looks at each subject in turn; what is wrong with one does not keep the others from being looked at."""

    def __init__(self, resource: Mapping[str, Any], reader: Reader) -> None:
        self._resource = resource
        self._reader = reader
        self._spec: Mapping[str, Any] = resource.get("spec") or {}
        self._old: Mapping[str, Any] = resource.get("status") or {}
        self._names = Names(resource)
        self._problems: list[Problem] = []

    def run(self, patience: float = 0) -> dict[str, Any]:
        """Wait for what is on its way, that many seconds at most. -> the result of module koji_hub_info"""
        found = self._look()
        self._wait(found, patience)
        self._decide(found)
        status = self._status(found)
        is_unheard = bool(found.rollout.available and not status["hub_version"])
        return {
            "names": self._names.as_dict(),
            "problem": found.stage.problem.as_dict() if found.stage.problem else {},
            "warnings": self._warnings(found),
            "templates": found.stage.templates,
            "corrections": found.stage.corrections,
            "replicas": found.stage.replicas,
            "remove": self._remove(found),
            "any_user": self._any_user(),
            "environment": environment(self._spec, [found.postgres.host if found.postgres else ""]),
            "trust": trust(self._spec),
            "checksums": self._checksums(found),
            "status": status,
            "conditions": self._conditions(found),
            "is_new": self._is_new(found),
            "patient": patience > 0,
            "again": SOON if found.certificates.rotation or is_unheard else "",
            "certificates": _plain(found.certificates),
            "cleanup": dataclasses.asdict(found.cleanup),
            "claims": _plain(found.claims),
            "exposure": dataclasses.asdict(found.exposure) if found.exposure else {},
            "database": dataclasses.asdict(found.database) if found.database else {},
            "files": _of_files(found.files) if found.files else {},
            "kerberos": dataclasses.asdict(found.kerberos or kerberos.KerberosLook()),
        }

    def _is_new(self, found: Found) -> bool:
        """Whether it has no pods yet, and nothing keeps it from getting them."""
        return found.database is not None and not (self._problems or self._spec.get("paused") or found.rollout.exists)

    def _wait(self, found: Found, patience: float) -> None:
        """Until the database's Job has ended, or the pods serve: a run of its own for each would take longer."""
        until = time.monotonic() + patience
        while (
            found.database is not None
            and found.postgres is not None
            and not self._problems
            and found.certificates.valid
            and stage.is_awaited(found.database, found.rollout)
            and time.monotonic() < until
        ):
            time.sleep(PAUSE)
            found.rollout = rollout.look(self._names, self._reader)
            found.database = self._look_at_database(found.postgres)

    def _look_at_database(self, there: postgres.Postgres) -> database.DatabaseLook:
        image = given(self._spec.get("image")) or DEFAULT_IMAGE
        return database.look(self._spec, self._names, there, self._reader, image)

    def _try(self, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except Problem as problem:
            self._problems.append(problem)
            return None

    def _look(self) -> Found:
        spec, names, reader = self._spec, self._names, self._reader
        now = datetime.datetime.now(datetime.UTC)
        annotations = self._resource["metadata"].get("annotations")
        found = Found(
            claims=claims.look(spec, names, reader),
            certificates=certificates.look(spec, names, reader, now, annotations),
            cleanup=cleanup.look(spec, names, reader),
            rollout=rollout.look(names, reader),
        )
        objects = [("Deployment", names.deployment), ("ConfigMap", names.config), ("Secret", names.secrets)]
        self._try(lambda: owned.check([*objects, *found.cleanup.objects], names, reader))
        self._problems += filter(None, (found.claims.problem, found.certificates.problem))
        found.exposure = self._try(lambda: exposure.look(self._resource, names, reader))
        found.postgres = there = self._try(self._read_postgres)
        found.trusted = self._try(self._read_trusted) or ""
        hosts = list(dict.fromkeys([*names.needed_names, *names.service_names]))
        found.kerberos = krb = self._try(lambda: kerberos.look(spec, hosts, names.namespace, reader))
        if there is not None and krb is not None:
            found.files = self._try(lambda: self._make_files(there, krb))
        if there is not None:
            found.database = self._look_at_database(there)
        # Where somebody else has a name, what is wrong with that one's objects is no news.
        self._problems.sort(key=lambda problem: problem.reason != "NameTaken")
        return found

    def _read_postgres(self) -> postgres.Postgres:
        name, namespace = self._names.postgres_secret, self._names.namespace
        return postgres.read(name, namespace, self._reader.get("Secret", namespace, name))

    def _read_trusted(self) -> str:
        """The CAs that the pods trust beside the image's."""
        name = given(self._spec.get("trusted_ca_configmap"))
        if not name:
            return ""
        where = f"ConfigMap '{name}' in namespace '{self._names.namespace}', which trusted_ca_configmap names,"
        there = self._reader.get("ConfigMap", self._names.namespace, name)
        if there is None:
            raise Problem("MissingConfigMap", f"{where} does not exist; create it, with CAs as PEM in key {CA_BUNDLE}")
        text = given((there.get("data") or {}).get(CA_BUNDLE))
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise Problem("InvalidConfigMap", f"{where} has no certificates as PEM in key {CA_BUNDLE}; add them")
        return text

    def _make_files(self, there: postgres.Postgres, krb: kerberos.KerberosLook) -> files.FilesLook:
        spec, names = self._spec, self._names
        site: Mapping[str, str] = {}
        name = given(spec.get("configmap"))
        if name == names.config:
            raise Problem(
                "ConflictingFields", f"configmap is '{name}', which the operator writes itself; give yours another name"
            )
        if name:
            site = (self._reader.get("ConfigMap", names.namespace, name) or {}).get("data") or {}
        webs = [{**web, "kind": "KojiWeb"} for web in self._reader.list("KojiWeb", names.namespace)]
        subjects = proxies.of_webs(webs, self._reader, names.namespace)
        hosts = [given((web.get("spec") or {}).get("host")) for web in webs]
        web_url = next((f"https://{host}/koji" for host in hosts if host), "")
        broker = messaging.look(spec, names, self._reader)
        sources = files.Sources(
            there,
            broker=broker,
            site=site,
            proxies=subjects,
            principals=proxies.principals_of_webs(webs),
            web_url=web_url,
            kojira=kojiras.wanted(names, self._reader),
            kerberos=krb.options if krb.on else None,
        )
        return files.look(spec, names, sources)

    def _decide(self, found: Found) -> None:
        requests = [REQUESTS] if found.certificates.requests else []
        if self._problems:
            # What serves goes on serving as it does.
            waits = self._problems[0] is found.certificates.problem
            corrections = self._corrections(found)
            found.stage = stage.Stage(requests if waits else [], corrections, problem=self._problems[0])
        elif found.exposure is None or found.database is None:  # cannot be: their problems are among these
            found.stage = stage.Stage(problem=Problem("Incomplete", "not all could be read", progressing=True))
        elif not found.certificates.valid:
            coming = Problem("CertificatesComing", "certificates are made", progressing=True)
            found.stage = stage.begin(found.database, found.rollout, found.exposure.templates, coming)
        else:
            found.stage = stage.decide(int(self._spec.get("replicas", 1)), found.database, found.rollout)
            serves = found.database.state == "succeeded"
            cleaning = found.cleanup.templates if serves else []
            found.stage.templates[:0] = [*requests, *found.exposure.templates, *cleaning]
        if self._spec.get("paused"):
            found.stage.templates = found.stage.corrections = []
            self._pause(found)

    def _corrections(self, found: Found) -> list[str]:
        """Of a hub that is there: what makes it reachable needs nothing that may be missing."""
        taken = any(problem.reason == "NameTaken" for problem in self._problems)
        if found.exposure is None or taken or not found.rollout.exists:
            return []
        return found.exposure.templates

    def _pause(self, found: Found) -> None:
        """A hub that serves as it is waits for nothing; another one would wait for what does not come."""
        problem, rollout_ = found.stage.problem, found.rollout
        if problem is None or not problem.progressing or problem is (rollout_.problem if rollout_.exists else None):
            return
        if rollout_.settled and rollout_.available:
            found.stage.problem = None
            return
        why = f"spec.paused is true, and the hub does not serve yet: {problem.message}; set it to false"
        found.stage.problem = Problem("Paused", why)

    def _warnings(self, found: Found) -> list[dict[str, str]]:
        looks = (found.claims, found.certificates, found.cleanup, found.exposure, found.kerberos, found.files)
        return [warning for look in looks if look is not None for warning in look.warnings]

    def _remove(self, found: Found) -> list[dict[str, Any]]:
        if self._problems or self._spec.get("paused"):
            return []
        looks = (found.exposure, found.database, found.cleanup, found.certificates)
        return [item for look in looks if look is not None for item in look.remove]

    def _any_user(self) -> bool:
        """Whether pods may say as whom they run; OpenShift says it itself."""
        return self._spec.get("ingress_backend") != "openshift" and not self._reader.serves(OPENSHIFT)

    def _checksums(self, found: Found) -> dict[str, str]:
        """Annotations of the pods: another value rolls them."""
        config = [found.files.checksum if found.files else "", found.trusted]
        if found.kerberos and found.kerberos.on:
            config.append(found.kerberos.checksum)
        if self._spec.get("sidecar"):
            config.append(found.certificates.admin_pem)
        digest = hashlib.sha256(json.dumps(config).encode()).hexdigest()
        return {CONFIG_CHECKSUM: digest[:16], certificates.CHECKSUM: found.certificates.checksum}

    def _status(self, found: Found) -> dict[str, Any]:
        names = self._names
        asked, known = "", self._old.get("hub_version")
        if found.rollout.available:
            asked = version.ask(names.internal_url, found.certificates.ca, 0 if known else PATIENCE)
        return {
            "url": names.url,
            "internal_url": names.internal_url,
            "admin_secret": names.admin_secret,
            "certificate_expires": found.certificates.expires,
            "schema_version": (found.database.schema_version if found.database else "")
            or self._old.get("schema_version"),
            "hub_version": asked or known,
            "replicas": found.rollout.replicas,
            "selector": ",".join(f"{key}={value}" for key, value in names.selector.items()),
        }

    def _conditions(self, found: Found) -> list[dict[str, Any]]:
        data, certs = found.database, found.certificates
        if data is None:
            why = self._problems[0] if self._problems else Problem("Unknown", "")
            ready = {"status": False, "reason": why.reason, "message": why.message}
        else:
            ready = {"status": data.state == "succeeded", "reason": data.reason, "message": data.message}
        if certs.problem:
            valid = {"status": False, "reason": certs.problem.reason, "message": certs.problem.message}
        elif not certs.valid:
            valid = {"status": False, "reason": "CertificatesComing", "message": "certificates are made"}
        elif certs.rotation:
            valid = {"status": True, "reason": "RotatingCA", "message": certs.rotation}
        else:
            valid = {"status": True, "reason": "Valid", "message": f"until {certs.expires}"}
        return [{"type": "DatabaseReady", **ready}, {"type": "CertificatesValid", **valid}]


def _plain(look: certificates.CertificatesLook | claims.ClaimsLook) -> dict[str, Any]:
    """For the role; asdict can't copy an exception."""
    return dataclasses.asdict(dataclasses.replace(look, problem=None))


def _of_files(look: files.FilesLook) -> dict[str, Any]:
    return {**dataclasses.asdict(look), "config": look.config, "mounts": look.mounts}
