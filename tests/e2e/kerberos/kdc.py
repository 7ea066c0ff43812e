# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A real KDC in a namespace, and what its administrator does: principals, keytabs, tickets."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.devhub.manifests import config_map, deployment, digest, empty, mount, named, service
from tests.e2e.resources import SOON

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.kube import Kube

NAME = "kdc"
IMAGE = "localhost/kdc:dev"
PORT = 1088
REALM = "KOJI.TEST"
SETTINGS = "krb5"  # the ConfigMap with krb5.conf
CONF = """\
[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {realm} = {{
    kdc = {host}:{port}
  }}
"""


def conf(namespace: str, port: int = PORT) -> str:
    """krb5.conf of the clients; with another port, of some that reach no KDC."""
    return CONF.format(realm=REALM, host=f"{NAME}.{namespace}.svc", port=port)


def principal(name: str) -> str:
    """A name in the realm."""
    return f"{name}@{REALM}"


@dataclass(frozen=True)
class Kdc:
    """A KDC that runs."""

    kube: Kube
    namespace: str

    def run(self, script: str) -> str:
        """Run a shell script in its pod; what it printed."""
        words = ["exec", "-i", "-n", self.namespace, f"deploy/{NAME}", "--", "sh", "-eu"]
        return self.kube.kubectl(*words, stdin=script)

    def add(self, *names: str) -> None:
        """Make principals, each with a random key."""
        self.run("".join(f"kadmin.local -p root/admin -q 'addprinc -randkey {name}' >&2\n" for name in names))

    def change(self, name: str) -> None:
        """Give a principal another key: keytabs of before are no good any more."""
        self.run(f"kadmin.local -p root/admin -q 'cpw -randkey {name}' >&2\n")

    def keytab(self, *names: str) -> bytes:
        """Export the keys of principals."""
        script = "file=$(mktemp -u)\n"
        script += "".join(f'kadmin.local -p root/admin -q "ktadd -k $file -norandkey {name}" >&2\n' for name in names)
        return base64.b64decode(self.run(f'{script}base64 -w 0 "$file"\nrm "$file"\n'))

    def ticket(self, name: str, folder: Path) -> Path:
        """Log in as a person does; a file with the ticket."""
        script = (
            "file=$(mktemp -u)\n"
            f'kadmin.local -p root/admin -q "ktadd -k $file -norandkey {name}" >&2\n'
            f'kinit -c "$file.ticket" -k -t "$file" {name} >&2\n'
            'base64 -w 0 "$file.ticket"\nrm "$file" "$file.ticket"\n'
        )
        ticket = folder / f"{name.replace('/', '-')}.ticket"
        ticket.touch(0o600)
        ticket.write_bytes(base64.b64decode(self.run(script)))
        return ticket

    def secret(self, secret: str, *names: str) -> None:
        """Write a Secret with the keytab of principals."""
        self.keep(secret, self.keytab(*names))

    def keep(self, secret: str, content: bytes, key: str = "krb5.keytab") -> None:
        """Write a Secret with some bytes."""
        data = {key: base64.b64encode(content).decode()}
        self.kube.apply(named("Secret", secret, self.namespace) | {"type": "Opaque", "data": data})


def deploy(kube: Kube, namespace: str) -> Kdc:
    """Start a KDC and wait until it listens."""
    container = {
        "image": IMAGE,
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 10},
        "volumeMounts": [mount("data", "/var/lib/krb5kdc"), mount("tmp", "/tmp")],  # noqa: S108
    }
    kube.apply_all(
        [
            config_map(SETTINGS, namespace, {"krb5.conf": conf(namespace)}),
            service(NAME, namespace, PORT),
            deployment(NAME, namespace, container, [empty("data"), empty("tmp")], digest(IMAGE)),
        ]
    )
    words = ["rollout", "status", f"deployment/{NAME}", "-n", namespace, f"--timeout={SOON}s"]
    kube.kubectl(*words, timeout=SOON + 10)
    return Kdc(kube, namespace)
