# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Contributors to the Koji operator
"""RabbitMQ in a namespace: TLS only, and its clients (`koji`, `consumer`) are who their certificates say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.devhub.certificates import Authority
from tests.devhub.manifests import deployment, digest, empty, mount, secret, service
from tests.e2e.resources import SOON

if TYPE_CHECKING:
    from tests.e2e.kube import Kube

NAME = "rabbitmq"
IMAGE = "localhost/rabbitmq:dev"
URL = f"amqps://{NAME}/%2F"
PORT = 5671


def deploy(kube: Kube, namespace: str) -> Authority:
    """Start a broker and wait until it listens. -> the CA that its clients' certificates have to be of"""
    authority = Authority("broker CA")
    pair = authority.issue(NAME, [NAME, f"{NAME}.{namespace}.svc"])
    tls = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.pair.certificate}
    container = {
        "image": IMAGE,
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 10},
        "volumeMounts": [mount("data", "/var/lib/rabbitmq"), mount("tls", "/etc/rabbitmq-tls")],
    }
    volumes = [empty("data"), {"name": "tls", "secret": {"secretName": f"{NAME}-tls"}}]
    kube.apply_all(
        [
            secret(f"{NAME}-tls", namespace, tls),
            service(NAME, namespace, PORT),
            deployment(NAME, namespace, container, volumes, digest(IMAGE)),
        ]
    )
    words = ["rollout", "status", f"deployment/{NAME}", "-n", namespace, f"--timeout={SOON}s"]
    kube.kubectl(*words, timeout=SOON + 10)
    return authority


def client_files(authority: Authority, user: str) -> dict[str, str]:
    """What the Secret koji-fedora-messaging-cert holds for a user of the broker."""
    pair = authority.issue(user)
    return {
        "ca_cert.pem": authority.pair.certificate,
        "client_cert.pem": pair.certificate,
        "client_key.pem": pair.key,
    }
