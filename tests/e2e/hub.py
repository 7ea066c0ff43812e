# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A devhub in the cluster, and the real koji client's two ways to talk to it: the library and the command."""

import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import koji

from tests.devhub.certificates import Authority, Pair
from tests.devhub.deploy import Deployed, deploy

from .kube import Kube

START_TIMEOUT = 240  # seconds; PostgreSQL starts first
TRIES = {"max_retries": 3, "retry_interval": 1, "timeout": 30, "anon_retry": True}


@dataclass(frozen=True)
class Hub:
    """Where a hub is and how to log in there: `ca` and `admin_pem` are files; `deployed` makes more certificates."""

    namespace: str
    url: str
    ca: Path
    admin_pem: Path
    deployed: Deployed

    def session(self, pem: Path | None = None) -> koji.ClientSession:
        """Return a session of the real koji library, logged in as the admin or with `pem`."""
        session = self.anonymous()
        session.ssl_login(str(pem or self.admin_pem), None, str(self.ca))
        return session

    def anonymous(self) -> koji.ClientSession:
        return koji.ClientSession(self.url, opts={**TRIES, "serverca": str(self.ca)})

    def cli(self, *arguments: str, check: bool = True, timeout: float = 120) -> str:
        """Run `koji` with a configuration file of its own; return stdout and stderr. AssertionError if it fails."""
        config = self.admin_pem.with_name("koji.conf")
        config.write_text(
            f"[koji]\nserver = {self.url}\nauthtype = ssl\ncert = {self.admin_pem}\nserverca = {self.ca}\n"
            f"topurl = {self.url.removesuffix('hub')}files\n",
            "utf-8",
        )
        command = [f"{sysconfig.get_path('scripts')}/koji", "--config", str(config), *arguments]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False
        )
        assert not check or done.returncode == 0, f"koji {' '.join(arguments)}: {done.returncode}\n{done.stdout}"
        return done.stdout


def deploy_hub(
    kube: Kube, namespace: str, folder: Path, hub_conf: Mapping[str, Any] | None = None, **options: Any
) -> Hub:
    """Deploy a hub and wait until it serves its API; its CA and the admin's certificate are written to `folder`.

    One that was deployed before keeps its CA and its password. `options`: more for tests.devhub.deploy.deploy.
    """
    there = kube.get("Secret", "koji-hub-ca-cert-key", namespace) and kube.secret(namespace, "koji-hub-ca-cert-key")
    authority = Authority.load(Pair(there["tls.crt"].decode(), there["tls.key"].decode())) if there else None
    deployed = deploy(kube.apply_all, namespace, hub_conf, authority=authority, **options)
    hub = Hub(namespace, deployed.url, folder / "ca.crt", folder / "admin.pem", deployed)
    hub.ca.write_bytes(kube.secret(namespace, "koji-hub-ca-cert")["ca.crt"])
    hub.admin_pem.touch(0o600)
    hub.admin_pem.write_bytes(kube.secret(namespace, "koji-hub-admin")["client.pem"])

    def answers() -> bool:
        try:
            return bool(hub.anonymous().getAPIVersion())
        except Exception:  # noqa: BLE001 - requests', OpenSSL's and koji's own, until it is up
            return False

    def pods() -> list[Any]:
        found = kube.find("Pod", namespace)
        return [(pod["metadata"]["name"], (pod.get("status") or {}).get("containerStatuses")) for pod in found]

    kube.wait_for(answers, START_TIMEOUT, f"the hub {hub.url} answers", pods)
    return hub
