# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""What a resource refers to: its hub, the admin's certificate, the CA, its own certificate, the site's settings.

Everything is read once, and what is missing is named: which Secret, which key, what to do.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.fedoraproject.koji.plugins.module_utils import cert_manager, certificates, egress, ini, keytab
from ansible_collections.fedoraproject.koji.plugins.module_utils.claims import USER_FIELDS, claims, hub_user
from ansible_collections.fedoraproject.koji.plugins.module_utils.issuing import (
    Pair,
    Wishes,
    chained,
    issue,
    usable_pair,
)
from ansible_collections.fedoraproject.koji.plugins.module_utils.kojihub import names as kojihub
from ansible_collections.fedoraproject.koji.plugins.module_utils.names import (
    DEFAULT_ADMIN_SECRET,
    DEFAULT_CA_SECRET,
    DEFAULT_HUB_HOST,
    AddressError,
    fullname,
    given,
    hub_url,
    same_value,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HUB_FIELDS = ("hub_host", "koji_hub_url", "host_name")
_CA_FIELDS = ("cacert_secret", "authentication.ssl.cacert_secret", "authentication.ssl.ca_secret_name")
_CLIENT_FIELDS = (
    "client_cert_secret",
    "authentication.ssl.client_cert_secret",
    "authentication.ssl.client_secret_name",
)

# Of a site's settings, what is no file of Koji's.
_OF_APACHE = ("httpd.conf",)

_READ_KEYS = frozenset({"ca.crt", "tls.crt", "tls.key", "client.pem"})


class Reader(Protocol):
    """What is needed of the API server; KubeApi has it."""

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None."""

    def list(self, kind: str, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        """All objects of a kind."""


class Problem(Exception):
    """Why something can't be done: reason is CamelCase, the message says what and where.

    A person has to mend it, unless it is `progressing`, which ends by itself.
    """

    def __init__(self, reason: str, message: str, *, progressing: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.progressing = progressing

    def as_dict(self) -> dict[str, Any]:
        """For a role."""
        return {"reason": self.reason, "message": self.message, "progressing": self.progressing}


@dataclass
class References:
    """What was found. PEM texts are '' where there is none; `*_ours` means that the role writes that Secret."""

    hub_url: str = ""
    hub: str = ""  # the KojiHub of this namespace that has it; '' where there is none
    user: str = ""
    admin_secret: str = ""
    admin_pem: str = ""  # '' where it logs in by Kerberos:
    admin_principal: str = ""
    admin_keytab: str = ""  # in base64
    admin_krb5_conf: str = ""
    ca_secret: str = ""
    ca: str = ""
    ca_ours: bool = False
    principal: str = ""  # the user's, by Kerberos
    keytab_secret: str = ""  # what it logs in with instead of a certificate
    keytab: str = ""  # in base64
    krb5_configmap: str = ""
    krb5_conf: str = ""
    client_secret: str = ""
    client_certificate: str = ""
    client_key: str = ""
    client_ours: bool = False
    client_make: bool = False
    client_expires: str = ""
    client_wanted: dict[str, Any] = field(default_factory=dict)  # for role koji_certificate, with client_make
    client_request: dict[str, Any] = field(default_factory=dict)  # the Certificate to apply, where cert-manager signs
    waiting: dict[str, Any] = field(default_factory=dict)  # why it is not ready yet, though all can be written
    settings: dict[str, str] = field(default_factory=dict)
    shared_beside: dict[str, str] = field(default_factory=dict)  # labels of pods that shared_pvc is on one node with
    hub_egress: dict[str, Any] = field(default_factory=dict)  # NetworkPolicyEgressRule, where a policy needs it
    claimed_by: list[str] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)


class Resolver:
    """Resolves the references of one resource."""

    def __init__(self, resource: Mapping[str, Any], reader: Reader) -> None:
        self._resource = resource
        self._reader = reader
        self._kind = resource["kind"]
        self._name = resource["metadata"]["name"]
        self._namespace = resource["metadata"]["namespace"]
        self._uid = resource["metadata"]["uid"]
        self._spec = resource.get("spec") or {}
        self._hub: dict[str, Any] | None = None
        self._secrets: dict[str, dict[str, Any] | None] = {}
        self.found = References()

    @property
    def hub(self) -> Mapping[str, Any] | None:
        """The KojiHub of the namespace that is the hub, once it has been looked for."""
        return self._hub

    def resolve(self) -> None:
        """Fill `found`, as far as it goes. Raises Problem at the first thing without which nothing works."""
        self._warn()
        self.found.user, conflict = hub_user(self._resource)
        if conflict:
            raise Problem("ConflictingFields", conflict)
        self._find_others()
        self.find_hub()
        self._look_for_hub()
        self._wait_for_hub()
        self._read_admin()
        self._read_ca()
        self._read_krb()
        self._read_client()
        self._read_settings()
        self._find_hub_service()
        self._find_volume()

    def _warn(self) -> None:
        """Name what is accepted but does nothing."""
        if self._spec.get("ssl_verify") is False:
            message = "ssl_verify: false has no effect, the hub's certificate is always checked; remove it"
            self.found.warnings.append({"reason": "SslVerifyIgnored", "message": message})
        krb = self._option("authentication.krb") or {}
        useless = given(krb.get("krb5_configmap")) and (self._kind == "KojiUser" or not given(krb.get("keytab_secret")))
        if useless:
            message = "authentication.krb.krb5_configmap has no effect: nobody logs in here by a keytab; remove it"
            self.found.warnings.append({"reason": "KerberosSettingsIgnored", "message": message})
        own = set(self._spec.get("channels", ["default"]))
        for index, override in enumerate(self._spec.get("overrides") or []):
            others = [repr(name) for name in override.get("channels") or [] if name not in own]
            if others:
                message = (
                    f"overrides[{index}].channels names {', '.join(others)}, whose tasks don't come here: add what "
                    "this host should have to channels, and remove the rest"
                )
                self.found.warnings.append({"reason": "ChannelOfOthers", "message": message})

    def keep(self, name: str, label: str) -> bool:
        """Whether the ConfigMap that outlives resources is there. Raises NameTaken if it isn't labelled as ours is."""
        there = self._reader.get("ConfigMap", self._namespace, name)
        if there is not None and (there["metadata"].get("labels") or {}).get(label) != "true":
            raise Problem(
                "NameTaken",
                f"ConfigMap '{name}' in namespace '{self._namespace}' is needed for this {self._kind}, but it exists "
                f"without the label {label}: 'true'; rename or delete it, or give it the label",
            )
        return there is not None

    def own(self, objects: Iterable[Mapping[str, str]]) -> None:
        """Raise NameTaken if an object (kind, name) that the role writes belongs to someone else."""
        for kind, name in ((item["kind"], item["name"]) for item in objects):
            there = self._reader.get(kind, self._namespace, name)
            if there is not None and not self._is_ours(there):
                owner = ", ".join(f"{o['kind']} {o['name']}" for o in there["metadata"].get("ownerReferences", []))
                raise Problem(
                    "NameTaken",
                    f"{kind} '{name}' in namespace '{self._namespace}' is needed for this {self._kind}, but it "
                    f"exists and belongs to {owner or 'nobody that the operator knows'}; rename or delete it",
                )

    def leftover(self, objects: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Those objects (kind, name) that are there and this resource's, as manifests that name them."""
        found = []
        for kind, name in ((item["kind"], item["name"]) for item in objects):
            there = self._reader.get(kind, self._namespace, name)
            if there is not None and self._is_ours(there):
                metadata = {"name": name, "namespace": self._namespace}
                found.append({"apiVersion": there["apiVersion"], "kind": kind, "metadata": metadata})
        return found

    def _get_secret(self, name: str) -> dict[str, Any] | None:
        """The Secret as it is, or None; read once, whoever asks for it how often."""
        if name not in self._secrets:
            self._secrets[name] = self._reader.get("Secret", self._namespace, name)
        return self._secrets[name]

    def _is_ours(self, there: Mapping[str, Any]) -> bool:
        return any(owner["uid"] == self._uid for owner in there["metadata"].get("ownerReferences", []))

    def _option(self, path: str) -> Any:
        value: Any = self._spec
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _one_of(self, fields: tuple[str, ...]) -> str:
        value, conflict = same_value({path: self._option(path) for path in fields})
        if conflict:
            raise Problem("ConflictingFields", conflict)
        return value

    def _named_by(self, fields: tuple[str, ...]) -> str:
        return " and ".join(path for path in fields if given(self._option(path))) or "by default"

    def _find_others(self) -> None:
        resources = [resource for kind in USER_FIELDS for resource in self._listed(kind)]
        self.found.claimed_by = claims(self.found.user, resources, but=self._uid)

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        # Items of a list don't say their kind.
        return [{**item, "kind": kind} for item in self._reader.list(kind, self._namespace)]

    def find_hub(self) -> None:
        """Which hub it is, by its address; `hub`, if a KojiHub of the namespace is it. Raises Problem."""
        named = {path: given(self._option(path)) for path in _HUB_FIELDS if given(self._option(path))}
        hubs = {fullname(hub["metadata"]["name"]): hub for hub in self._reader.list("KojiHub", self._namespace)}
        if not named and len(hubs) > 1:
            raise Problem(
                "SeveralHubs",
                f"namespace '{self._namespace}' has the KojiHubs {', '.join(sorted(hubs))}; say which with hub_host",
            )
        if not named:
            named = {"hub_host": f"{next(iter(hubs))}:8443" if hubs else DEFAULT_HUB_HOST}
        try:
            urls = {path: hub_url(address, self._namespace) for path, address in named.items()}
        except AddressError as error:
            raise Problem("InvalidHubAddress", str(error)) from error
        if len(set(urls.values())) > 1:
            each = " but ".join(f"{path} is '{named[path]}'" for path in named)
            raise Problem("ConflictingFields", f"{each}: they mean the same thing, keep one of them")
        self.found.hub_url = next(iter(urls.values()))
        host = self.found.hub_url.removeprefix("https://").split("/")[0].split(":")[0]
        self._hub = hubs.get(host.split(".")[0]) if host.endswith(f".{self._namespace}.svc") else None
        self.found.hub = self._hub["metadata"]["name"] if self._hub else ""

    def _look_for_hub(self) -> None:
        """For a resource that goes: nobody can tell a hub that went before. Its admin's Secret outlives it."""
        if not self._resource["metadata"].get("deletionTimestamp"):
            return
        namespace, name = egress.service_of(self.found.hub_url) or ("", "")
        ends = self._hub is None or self._hub["metadata"].get("deletionTimestamp")
        if namespace == self._namespace and ends and self._reader.get("Service", namespace, name) is None:
            raise Problem("HubGone", f"the hub {self.found.hub_url} is gone: Service '{name}' and KojiHub don't exist")

    def _wait_for_hub(self) -> None:
        """For one that is made together with its hub: nothing is wrong, the hub comes first."""
        if self._hub is None or self._resource["metadata"].get("deletionTimestamp"):
            return
        name, status = self._hub["metadata"]["name"], self._hub.get("status") or {}
        if not status.get("hub_version"):
            said = [entry for entry in status.get("conditions") or [] if entry["type"] == "Ready"]
            why = f"{said[0]['reason']}: {said[0]['message']}" if said else "the operator has not looked at it yet"
            raise Problem("WaitingForHub", f"KojiHub '{name}' has not served yet ({why})", progressing=True)

    def _find_volume(self) -> None:
        """A volume that one node alone can mount is where the hub's pod is."""
        name = given(self._spec.get("shared_pvc"))
        if not name or self._hub is None or name != kojihub.Names(self._hub).mnt_claim:
            return
        there = self._reader.get("PersistentVolumeClaim", self._namespace, name)
        if there is not None and kojihub.MANY_NODES not in there["spec"].get("accessModes", []):
            self.found.shared_beside = kojihub.Names(self._hub).selector

    def _find_hub_service(self) -> None:
        """What a NetworkPolicy that says what builds may connect to needs to know of the hub."""
        policy = self._spec.get("network_policy") or {}
        if policy.get("egress") is None or not policy.get("enabled", True):
            return
        namespace, name = egress.service_of(self.found.hub_url) or ("", "")
        # Only here: the operator need not be allowed to read other namespaces.
        service = self._reader.get("Service", namespace, name) if namespace == self._namespace else None
        self.found.hub_egress = egress.hub_rule(self.found.hub_url, self._namespace, service)

    def _secret(self, name: str) -> dict[str, str] | None:
        """The Secret's texts, or None without the Secret."""
        there = self._get_secret(name)
        if there is None:
            return None
        texts = {}
        for key, value in (there.get("data") or {}).items():
            try:
                texts[key] = base64.b64decode(value).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                if key not in _READ_KEYS:
                    continue  # a keystore or the like, for somebody else
                raise Problem(
                    "InvalidSecret",
                    f"Secret '{name}' in namespace '{self._namespace}': key '{key}' is not text; it must be PEM",
                ) from error
        return texts

    def _missing(self, name: str, what: str, todo: str) -> Problem:
        return Problem(
            "MissingSecret", f"Secret '{name}' does not exist in namespace '{self._namespace}': it holds {what}; {todo}"
        )

    def _missing_key(self, name: str, key: str) -> Problem:
        return Problem(
            "MissingSecretKey", f"Secret '{name}' in namespace '{self._namespace}' has no key '{key}'; add it, as PEM"
        )

    def _pair(self, name: str, data: Mapping[str, str]) -> tuple[str, str]:
        """Certificate and key of a Secret: tls.crt and tls.key, or both in client.pem."""
        pem = data.get("client.pem", "")
        for key in ("tls.crt", "tls.key"):
            if not given(data.get(key)) and not given(pem):
                raise self._missing_key(name, key)
        certificate, key = (given(data.get("tls.crt")) or pem), (given(data.get("tls.key")) or pem)
        return certificate, key

    def _checked(self, name: str, certificate: str, key: str) -> certificates.Certificate:
        try:
            return certificates.read(certificate, key)
        except certificates.CertificateError as error:
            raise Problem("InvalidCertificate", f"the certificate in Secret '{name}' can't be used: {error}") from error

    def _read_admin(self) -> None:
        hub_admin = kojihub.Names(self._hub).admin_secret if self._hub else DEFAULT_ADMIN_SECRET
        name = self.found.admin_secret = given(self._spec.get("admin_secret")) or hub_admin
        krb = (((self._hub or {}).get("spec") or {}).get("authentication") or {}).get("krb") or {}
        if not given(self._spec.get("admin_secret")) and given(krb.get("admin_keytab_secret")):
            self.found.ca = given((self._secret(name) or {}).get("ca.crt"))
            self._read_admin_keytab(krb)
            return
        if self._has_only_keytab(name):
            self._read_given_keytab(name)
            return
        data = self._secret(name)
        if data is None:
            raise self._missing(
                name,
                "the certificate of a hub user with permission admin (keys tls.crt and tls.key, or client.pem), or its "
                f"keytab ({keytab.KEYTAB_KEY})",
                "create it, or name another one with admin_secret",
            )
        certificate, key = self._pair(name, data)
        if self._checked(name, certificate, key).expired:
            raise Problem("CertificateExpired", f"the admin certificate in Secret '{name}' has expired; renew it")
        self.found.admin_pem = certificate if certificate == key else f"{certificate}\n{key}\n"
        self.found.ca = given(data.get("ca.crt"))

    def _read_admin_keytab(self, krb: Mapping[str, Any]) -> None:
        """That of the KojiHub, by its own settings."""
        name, configmap = given(krb["admin_keytab_secret"]), given(krb.get("krb5_configmap"))
        where = f"authentication.krb of KojiHub '{self.found.hub}', admin_keytab_secret"
        self.found.admin_secret, self.found.admin_principal = name, given(krb.get("admin_principal"))
        try:
            read = keytab.read(self._get_secret(name), name, self._namespace, where)
            read.require(self.found.admin_principal)
            self.found.admin_krb5_conf = self._krb5_conf(
                configmap, where.replace("admin_keytab_secret", "krb5_configmap")
            )
        except keytab.KeytabError as error:
            raise Problem(error.reason, error.message) from error
        self.found.admin_keytab = read.text

    def _has_only_keytab(self, name: str) -> bool:
        keys = ((self._get_secret(name) or {}).get("data") or {}).keys()
        return keytab.KEYTAB_KEY in keys and not keys & {"tls.crt", "client.pem"}

    def _read_given_keytab(self, name: str) -> None:
        """A Secret of the site with the keytab of one principal, perhaps with krb5.conf and ca.crt."""
        try:
            read = keytab.read(self._get_secret(name), name, self._namespace, "admin_secret")
        except keytab.KeytabError as error:
            raise Problem(error.reason, error.message) from error
        if len(read.principals) > 1:
            raise Problem(
                "InvalidKeytab",
                f"{read.where}, which admin_secret names, must be of the admin alone, not of {read.listed}",
            )
        data = self._secret(name) or {}
        self.found.admin_principal, self.found.admin_keytab = read.principals[0], read.text
        self.found.admin_krb5_conf, self.found.ca = given(data.get(keytab.CONF_KEY)), given(data.get("ca.crt"))

    def _krb5_conf(self, configmap: str, option: str) -> str:
        """Raises KeytabError."""
        there = self._reader.get("ConfigMap", self._namespace, configmap) if configmap else None
        return keytab.settings(there, configmap, self._namespace, option)

    def _read_krb(self) -> None:
        """The user's principal, and the keytab that it logs in with. A KojiUser's is only looked at: nobody logs in."""
        krb = self._option("authentication.krb") or {}
        found, name = self.found, given(krb.get("keytab_secret"))
        found.principal = given(krb.get("principal"))
        try:
            if name:
                read = keytab.read(self._get_secret(name), name, self._namespace, "authentication.krb.keytab_secret")
                read.require(found.principal)
                found.keytab = read.text
            if self._kind == "KojiUser":
                return
            found.krb5_configmap = given(krb.get("krb5_configmap")) if name else ""
            found.krb5_conf = self._krb5_conf(found.krb5_configmap, "authentication.krb.krb5_configmap")
        except keytab.KeytabError as error:
            raise Problem(error.reason, error.message) from error
        found.keytab_secret = name

    def wants_certificate(self) -> bool:
        """Without Kerberos, or where one is named: beside."""
        by_ticket = self.found.principal if self._kind == "KojiUser" else self.found.keytab_secret
        return not by_ticket or any(given(self._option(path)) for path in _CLIENT_FIELDS)

    def _hub_ca_secret(self) -> str:
        return kojihub.Names(self._hub).ca_secret if self._hub else DEFAULT_CA_SECRET

    def _read_ca(self) -> None:
        """The named CA as it is; one that nobody made is written with the hub's, which the admin Secret carries."""
        name = self.found.ca_secret = self._one_of(_CA_FIELDS) or self._hub_ca_secret()
        there = self._get_secret(name)
        if there is None or self._is_ours(there):
            if not self.found.ca or name == self._hub_ca_secret():
                raise self._missing(name, "the hub's CA certificate (key ca.crt)", "create it")
            self.found.ca_ours = True
            return
        ca = given((self._secret(name) or {}).get("ca.crt"))
        if not ca:
            raise self._missing_key(name, "ca.crt")
        self._checked(name, ca, "")
        self.found.ca = ca

    def _read_client(self) -> None:
        """A given client certificate is used as it is; otherwise the role makes one and keeps it valid."""
        if not self.wants_certificate():
            return
        name = self.found.client_secret = self._one_of(_CLIENT_FIELDS) or f"{fullname(self._name)}-client-cert"
        there = self._get_secret(name)
        issuer = self.issuer()
        if there is not None and not self._is_ours(there) and not (issuer and _is_cert_managers(there)):
            certificate, key = self._pair(name, self._secret(name) or {})
            self._check_given(name, certificate, key)
            return
        if issuer:
            self._ask_cert_manager(name, issuer)
            return
        self.found.client_ours = True
        if name == self.found.ca_secret:
            raise Problem(
                "ConflictingFields",
                f"Secret '{name}' is named both for the hub's CA ({self._named_by(_CA_FIELDS)}) and for the client "
                f"certificate ({self._named_by(_CLIENT_FIELDS)}); name two Secrets",
            )
        old = self._secret(name) or {}
        current = usable_pair(old.get("tls.crt", ""), old.get("tls.key", ""))
        signer = self.find_signer()
        if current and self._is_good(current, signer):
            self.found.client_certificate, self.found.client_key = chained(current, signer), current.key
            self.found.client_expires = certificates.rfc3339(current.certificate)
            return
        if signer is None:
            raise self._no_signer(name)
        self.found.client_make = True
        wishes, now = Wishes.of(self._spec), datetime.datetime.now(datetime.UTC)
        self.found.client_wanted = issue(
            self.found.user,
            wishes.key_type,
            wishes.end(signer.certificate, now),
            key=old.get("tls.key", ""),
            usage="clientAuth",
            signer=signer,
        )

    def issuer(self) -> dict[str, Any]:
        """The hub's issuer of cert-manager; a site that gives the CA's key as well wants the operator to sign."""
        issuer: dict[str, Any] = ((self._hub or {}).get("spec") or {}).get("cert_manager_issuer") or {}
        return {} if any(self._get_secret(name) for name in self._signers()) else issuer

    def _ask_cert_manager(self, name: str, issuer: Mapping[str, Any]) -> None:
        """Have it make the certificate, and use what it has written."""
        labels = {kojihub.MANAGED_BY: kojihub.OPERATOR}
        wishes = Wishes.of(self._spec)
        wanted = cert_manager.request(name, self.found.user, issuer=issuer, wishes=wishes, labels=labels)
        there = self._reader.get(cert_manager.KIND, self._namespace, name)
        if there is not None and not self._is_ours(there):
            raise Problem(
                "NameTaken",
                f"Certificate '{name}' in namespace '{self._namespace}' is needed for this {self._kind}, but it exists "
                "and is not its own; rename or delete it",
            )
        if there is None or not wanted["spec"].items() <= there["spec"].items():
            self.found.client_request = wanted
        secret, data = self._get_secret(name), self._secret(name) or {}
        pair = usable_pair(data.get("tls.crt", ""), data.get("tls.key", ""))
        written = secret is not None and _is_cert_managers(secret)
        if not written or pair is None or pair.certificate.common_name != self.found.user:
            message = cert_manager.waiting(name, self._namespace, there)
            self.found.waiting = Problem(cert_manager.WAITING, message, progressing=True).as_dict()
            return
        self._check_given(name, pair.text, pair.key)

    def _is_good(self, current: Pair, signer: Pair | None) -> bool:
        """Whether our certificate need not be issued anew. While nobody can sign, one that the hub accepts is."""
        found, between = current.certificate, certificates.readable(current.text)[1:]
        by = [signer.certificate] if signer else certificates.readable(self.found.ca)
        return (
            found.common_name == self.found.user
            and bool(certificates.chain(found, between, by))
            and Wishes.of(self._spec).in_time(found, by, datetime.datetime.now(datetime.UTC))
        )

    def _check_given(self, name: str, certificate: str, key: str) -> None:
        read = self._checked(name, certificate, key)
        if read.expired:
            raise Problem("CertificateExpired", f"the client certificate in Secret '{name}' has expired; renew it")
        if read.common_name != self.found.user:
            raise Problem(
                "CertificateForAnotherUser",
                f"the client certificate in Secret '{name}' is for '{read.common_name}', but the hub user is "
                f"'{self.found.user}': their names must be the same",
            )
        self.found.client_certificate, self.found.client_key = certificate, key
        self.found.client_expires = certificates.rfc3339(read)

    def _signers(self) -> list[str]:
        """Secrets that may have the CA's key: <CA Secret>-key, of the CA that was named or of the hub's."""
        return list(dict.fromkeys((f"{self.found.ca_secret}-key", f"{self._hub_ca_secret()}-key")))

    def find_signer(self) -> Pair | None:
        """Who signs, or None. Raises Problem where the Secret is no good."""
        for name in self._signers():
            data = self._secret(name)
            if data is None:
                continue
            if given(data.get("next.crt")) and not given(data.get("tls.key")):
                return None  # the key was lost, and role koji_hub is at it
            for key in ("tls.crt", "tls.key"):
                if not given(data.get(key)):
                    raise self._missing_key(name, key)
            found = self._checked(name, data["tls.crt"], data["tls.key"])
            if found.expired:
                raise Problem("CertificateExpired", f"the CA in Secret '{name}' has expired; renew it")
            return Pair(found, data["tls.crt"], data["tls.key"])
        return None

    def _no_signer(self, client: str) -> Problem:
        names = self._signers()
        if any(self._secret(name) is not None for name in names):
            message = (
                f"the certificate for Secret '{client}' can't be signed before the hub's new CA is known to everyone"
            )
            return Problem("NewCA", message, progressing=True)
        return self._missing(
            client,
            "a client certificate (keys tls.crt and tls.key)",
            f"create it, or give the CA's key to sign one with as Secret {' or '.join(repr(n) for n in names)} "
            "(keys tls.crt and tls.key)",
        )

    def _read_settings(self) -> None:
        """The site's own settings; a ConfigMap that does not exist means none."""
        name = given(self._spec.get("configmap"))
        there = self._reader.get("ConfigMap", self._namespace, name) if name else None
        self.found.settings = dict((there or {}).get("data") or {})
        for key, text in self.found.settings.items():
            if not key.endswith(".conf") or key in _OF_APACHE:
                continue
            try:
                ini.parse(text)
            except ini.IniError as error:
                raise Problem(
                    "InvalidConfigMap",
                    f"ConfigMap '{name}' in namespace '{self._namespace}', key '{key}': {error}",
                ) from error


def _is_cert_managers(secret: Mapping[str, Any]) -> bool:
    """Whether cert-manager wrote it for a Certificate of the operator's."""
    metadata = secret["metadata"]
    ours = (metadata.get("labels") or {}).get(kojihub.MANAGED_BY) == kojihub.OPERATOR
    return ours and cert_manager.has_written(metadata["name"], metadata.get("annotations") or {})
