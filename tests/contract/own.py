# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""A devhub of the suite's own: in the test cluster, behind Apache on this machine, or in this process."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import koji
from requests.adapters import HTTPAdapter

from tests.devhub import deploy
from tests.devhub.certificates import Authority
from tests.devhub.local import LocalHub, Transport, intercept
from tests.devhub.loopback import loopback
from tests.devhub.manifests import HUB

from .callers import client, until
from .hubs import Address, other_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from requests import PreparedRequest, Response

ADMIN = "koji-admin"
HOST = "contract-host"

# Times short enough to wait for, and what a hub that nobody configured checks. In seconds, the renewal in minutes.
SETTINGS: dict[str, dict[str, int | bool]] = {
    "usual": {
        "AssignTimeout": 6,
        "CheckClientIP": False,
        "HostTimeout": 8,
        "ReadyTimeout": 6,
        "RunInterval": 1,
        "SessionRenewalTimeout": 0,
        "SoftRefusalTimeout": 6,
    },
    "strict": {"CheckClientIP": True, "RunInterval": 1, "SessionRenewalTimeout": 1},
}


@contextmanager
def in_process(kind: str) -> Iterator[Address]:
    """devhub's core in memory; the requests of the client library are answered in this process."""
    hub = LocalHub(SETTINGS[kind])
    with files(Authority()) as (ca, admin, host), intercept(hub, f"https://{kind}.test:8443/kojihub") as url:
        yield Address(url, ca, admin, host, lambda: Transport(hub.application, HOST, address="192.0.2.1"), tls=False)


@contextmanager
def on_loopback(kind: str) -> Iterator[Address]:
    """devhub behind Apache and on PostgreSQL, on this machine."""
    with loopback(SETTINGS[kind]) as hub, files(hub.authority) as (ca, admin, host):
        yield Address(hub.url, ca, admin, host, other_source(hub.url))


@contextmanager
def in_cluster(kind: str) -> Iterator[Address]:
    """devhub behind Apache and on PostgreSQL, in a namespace of its own that is deleted at the end.

    Has to run inside the cluster's network: python -m tests.cluster exec -- ...
    """
    namespace = f"contract-{kind}"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    deploy.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=60s")
    deploy.kubectl("create", "-f", "-", text=json.dumps(space))
    try:
        made = deploy.deploy(deploy.kubectl_apply, namespace, SETTINGS[kind])
        deploy.wait_ready(namespace)
        with files(made.authority) as (ca, admin, host), ExitStack() as stack:
            # A ready pod is not yet behind its Service's address.
            until(lambda: answers(made.url, ca), 30, f"an answer of {made.url}")
            yield Address(made.url, ca, admin, host, lambda: stack.enter_context(forwarded(namespace, made.url)))
    finally:
        deploy.kubectl("delete", "namespace", namespace, "--wait=false")


def answers(url: str, ca: Path) -> bool:
    """Whether the hub can be reached."""
    try:
        return bool(client(url, ca).getAPIVersion())
    except (OSError, koji.GenericError):
        return False


class Forwarded(HTTPAdapter):
    """Reaches a host name at a port of this machine."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """The certificate is still the host's."""
        super().init_poolmanager(*args, **kwargs, server_hostname=self.host, assert_hostname=self.host)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Connect here instead."""
        request.url = urlunsplit(urlsplit(str(request.url))._replace(netloc=f"127.0.0.1:{self.port}"))
        return super().send(request, *args, **kwargs)


@contextmanager
def forwarded(namespace: str, url: str) -> Iterator[Forwarded]:
    """Connect as from inside the hub's pod, which is another address than a Service's clients have."""
    command = ["kubectl", "port-forward", "-n", namespace, f"deployment/{HUB}", ":8443"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            told = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:(\d+)", told)
            if not found:
                raise RuntimeError(f"{' '.join(command)} says {told!r}, not where it forwards from")
            yield Forwarded(str(urlsplit(url).hostname), int(found.group(1)))
        finally:
            process.terminate()


FORMS: dict[str, Callable[[str], AbstractContextManager[Address]]] = {
    "cluster": in_cluster,
    "loopback": on_loopback,
    "process": in_process,
}


@contextmanager
def files(authority: Authority) -> Iterator[tuple[Path, Path, Path]]:
    """Files with the CA, the admin's and the host's certificate and key."""
    texts = {"ca": authority.pair.certificate, ADMIN: authority.issue(ADMIN).pem, HOST: authority.issue(HOST).pem}
    with TemporaryDirectory() as folder:  # which only we can read
        paths = {name: Path(folder) / f"{name}.pem" for name in texts}
        for name, text in texts.items():
            paths[name].write_text(text, encoding="ascii")
        yield paths["ca"], paths[ADMIN], paths[HOST]
