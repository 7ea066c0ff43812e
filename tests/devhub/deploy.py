# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A test hub in a cluster: CA and certificates, PostgreSQL, hub.

`python -m tests.devhub.deploy NAMESPACE [OPTION=VALUE ...]` (options of hub.conf) applies it with kubectl, keeping
the certificates that are there, and waits until it answers."""

import base64
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .certificates import Authority, Pair
from .core import config
from .manifests import HUB, Manifest, config_map, database, digest, hub, named, secret, volume

Apply = Callable[[list[Manifest]], None]
ADMIN = "koji-admin"
# What a test wants, where the hub's defaults are made for a production hub.
FOR_TESTS = {"RunInterval": 1, "SessionRenewalTimeout": 0, "CheckClientIP": False, "KojiDir": "/mnt/koji"}
ENVIRONMENT = {
    "DEVHUB_ADMIN": ADMIN,
    "DEVHUB_CREATE_SCHEMA": "1",
    "DEVHUB_FAULTS": "/tmp/devhub-faults.json",  # noqa: S108 - the pod's own
}


@dataclass(frozen=True)
class Deployed:
    """A hub in a cluster: where clients reach it, and what signs its users' certificates."""

    namespace: str
    url: str
    faults_url: str
    authority: Authority

    def user_secret(self, name: str, user: str) -> Manifest:
        """Return a Secret with a new certificate of a user: tls.crt, tls.key, ca.crt, client.pem."""
        return client_secret(name, self.namespace, self.authority, user)


def client_secret(name: str, namespace: str, authority: Authority, user: str) -> Manifest:
    """Return a Secret as KojiUser's and the hub's admin have it."""
    pair = authority.issue(user)
    data = {
        "tls.crt": pair.certificate,
        "tls.key": pair.key,
        "ca.crt": authority.pair.certificate,
        "client.pem": pair.pem,
    }
    return secret(name, namespace, data)


def certificates(namespace: str, authority: Authority) -> list[Manifest]:
    """Return the Secrets of the CA, its key, the hub's server and its admin."""
    names = [HUB, f"{HUB}.{namespace}", f"{HUB}.{namespace}.svc", f"{HUB}.{namespace}.svc.cluster.local"]
    server, own = authority.issue(names[2], names), authority.pair
    return [
        secret("koji-hub-ca-cert", namespace, {"ca.crt": own.certificate}),
        secret(
            "koji-hub-ca-cert-key",
            namespace,
            {"tls.crt": own.certificate, "tls.key": own.key},
            "kubernetes.io/tls",
        ),
        secret(
            "koji-hub-service-cert",
            namespace,
            {"tls.crt": server.certificate, "tls.key": server.key, "ca.crt": own.certificate},
        ),
        client_secret("koji-hub-admin", namespace, authority, ADMIN),
    ]


def postgres_secret(namespace: str) -> Manifest:
    """Return the Secret `postgres`, as a site provides it."""
    data = {
        "POSTGRES_HOST": "postgresql",
        "POSTGRES_DB": "koji",
        "POSTGRES_USER": "koji",
        "POSTGRES_PASSWORD": secrets.token_urlsafe(18),
    }
    return secret("postgres", namespace, data, app="postgres")


def deploy(
    kube_apply: Apply,
    namespace: str,
    hub_conf: Mapping[str, Any] | None = None,
    *,
    policies: dict[str, str] | None = None,
    authority: Authority | None = None,
    koji_claim: str | None = None,
    database_claim: str | None = None,
    image: str = "localhost/devhub:dev",
    postgres_image: str = "localhost/postgres:dev",
) -> Deployed:
    """Apply a hub to a namespace, which exists. hub_conf: options over FOR_TESTS; koji_claim: a PVC for /mnt/koji;
    database_claim: a PVC for the database, which then outlives PostgreSQL's pod.

    With `authority` the Secrets of an earlier deployment stay; without, all are made anew."""
    made: list[Manifest] = []
    if authority is None:
        authority = Authority()
        made = [*certificates(namespace, authority), postgres_secret(namespace)]
    conf = config.render({**FOR_TESTS, **(hub_conf or {})}, policies)
    checksum = digest(conf, authority.pair.certificate, image)
    kube_apply(
        [
            *made,
            config_map(HUB, namespace, {"hub.conf": conf}),
            *database(namespace, postgres_image, volume(database_claim)),
            *hub(namespace, image, checksum, volume(koji_claim), ENVIRONMENT),
        ]
    )
    base = f"https://{HUB}.{namespace}.svc:8443"
    return Deployed(namespace, f"{base}/kojihub", f"{base}/devhub/faults", authority)


def kubectl(*words: str, text: str | None = None) -> str:
    """Run kubectl and return what it prints. Raises CalledProcessError, with its message on stderr."""
    done = subprocess.run(["kubectl", *words], input=text, text=True, check=True, stdout=subprocess.PIPE)
    return done.stdout


def kubectl_apply(manifests: list[Manifest]) -> None:
    """Apply objects, given on standard input: there are Secrets among them."""
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=json.dumps(listed))


def existing_authority(namespace: str) -> Authority | None:
    """Return the CA of an earlier deployment in a namespace."""
    found = kubectl("get", "secret", "koji-hub-ca-cert-key", "-n", namespace, "--ignore-not-found", "-o", "json")
    if not found:
        return None
    data = {key: base64.b64decode(text).decode() for key, text in json.loads(found)["data"].items()}
    return Authority.load(Pair(data["tls.crt"], data["tls.key"]))


def wait_ready(namespace: str, seconds: int = 120) -> None:
    """Wait until the hub's pod is ready. Raises CalledProcessError."""
    kubectl("rollout", "status", f"deployment/{HUB}", "-n", namespace, f"--timeout={seconds}s")


def main() -> None:
    """Deploy from the command line."""
    namespace, *options = sys.argv[1:]
    hub_conf = dict(option.split("=", 1) for option in options)
    labels = {f"pod-security.kubernetes.io/{mode}": "baseline" for mode in ("enforce", "warn")}
    if not kubectl("get", "namespace", namespace, "--ignore-not-found"):
        space = named("Namespace", namespace, "", labels=labels)
        del space["metadata"]["namespace"]
        kubectl_apply([space])
    deployed = deploy(kubectl_apply, namespace, hub_conf, authority=existing_authority(namespace))
    wait_ready(namespace)
    print(deployed.url)


if __name__ == "__main__":
    main()
